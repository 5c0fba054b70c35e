//! What nodes tell each other, by `NOTIFY` and `LISTEN`.
//!
//! `NOTIFY` takes a lock over the whole server when its transaction commits, so it never stands in
//! one that writes: a task gathers lines and says them in a statement of its own, which writes
//! nothing and so waits for no disk. Whoever listens has a connection for it, and now and then says
//! something to itself: behind a pooler in transaction mode nothing would ever come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::failure::failure;
use super::tx::sql;
use super::{OpenOptions, Writers};
use crate::StoreError;
use crate::bell::{Bell, Heard};
use crate::gathering::{GAP, Gathered, OPENING};
use crate::verbs::Result;

const CHANNEL: &str = "heartbeat";

/// All that has gathered, in one statement.
const SAY: &str = "SELECT pg_notify('heartbeat', said) FROM unnest($1::TEXT[]) AS said";

/// At most one statement in this time.
const GATHER: Duration = Duration::from_millis(50);

/// Lines that wait for whoever listens.
const HEARD_MAX: usize = 4_096;

/// The shortest and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// The way to the other processes of a database.
#[derive(Debug)]
pub(super) struct PostgresBell {
    writers: Arc<Writers>,
    gathered: Arc<Gathered>,
    /// Told that the store closes.
    closing: watch::Sender<bool>,
    /// By which a process knows what it said itself.
    name: String,
    options: OpenOptions,
}

impl PostgresBell {
    pub(super) fn start(writers: &Arc<Writers>, options: OpenOptions) -> Arc<Self> {
        let mut name = [0; 16];
        writers.ids.fill(&mut name);
        let bell = Arc::new(Self {
            writers: Arc::clone(writers),
            gathered: Arc::default(),
            closing: watch::Sender::new(false),
            name: uuid::Uuid::from_bytes(name).simple().to_string(),
            options,
        });
        let (said, closing) = (bell.mouth(), bell.closing.subscribe());
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the store that owns it"
        )]
        tokio::spawn(said.speak(closing));
        bell
    }

    /// Stops listening, and says the rest.
    pub(super) async fn close(&self) {
        self.closing.send_replace(true);
        self.say_the_rest().await;
    }

    fn mouth(&self) -> Mouth {
        Mouth {
            writers: Arc::clone(&self.writers),
            gathered: Arc::clone(&self.gathered),
            name: self.name.clone(),
            answer_within: self.options.patience,
        }
    }
}

#[async_trait]
impl Bell for PostgresBell {
    fn ring(&self, line: String) {
        self.gathered.add(line);
    }

    fn ring_once(&self, line: &'static str) {
        self.gathered.add_once(line);
    }

    fn listen(&self) -> mpsc::Receiver<Heard> {
        let (to, heard) = mpsc::channel(HEARD_MAX);
        let ear = Ear {
            writers: Arc::clone(&self.writers),
            gathered: Arc::clone(&self.gathered),
            name: self.name.clone(),
            options: self.options,
            to,
            is_deaf: AtomicBool::new(false),
        };
        let closing = self.closing.subscribe();
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with whoever listens, or with the store"
        )]
        tokio::spawn(ear.listen(closing));
        heard
    }

    async fn say_the_rest(&self) {
        let _ = self.mouth().say().await;
    }
}

/// What says lines to the server.
struct Mouth {
    writers: Arc<Writers>,
    gathered: Arc<Gathered>,
    name: String,
    answer_within: Duration,
}

impl Mouth {
    /// Says what gathers, until the store closes.
    async fn speak(self, mut closing: watch::Receiver<bool>) {
        let mut failed = 0;
        loop {
            tokio::select! {
                () = self.gathered.some.notified() => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            let pause = match self.say().await {
                Ok(()) => {
                    failed = 0;
                    GATHER
                }
                Err(error) => {
                    tracing::debug!(%error, "Other nodes were not told at once; they look");
                    failed += 1;
                    pause(failed)
                }
            };
            if ends_within(&mut closing, pause).await {
                return;
            }
        }
    }

    /// Says what has gathered. What cannot be said is dropped, and told as a gap.
    async fn say(&self) -> Result<()> {
        let _alone = self.gathered.speaking.lock().await;
        let payloads = self.gathered.take(&self.name);
        if payloads.is_empty() {
            return Ok(());
        }
        let said = timeout(self.answer_within, async {
            let mut conn = self.writers.servers.read().await?;
            let said = sql(SAY).bind(payloads).execute(&mut *conn).await;
            said.map(|_| ()).map_err(|error| failure(&error))
        });
        let said = said.await.unwrap_or_else(|_| Err(not_in_time()));
        if said.is_err() {
            self.gathered.note_gap();
        }
        said
    }
}

/// What hears the others.
struct Ear {
    writers: Arc<Writers>,
    gathered: Arc<Gathered>,
    name: String,
    options: OpenOptions,
    to: mpsc::Sender<Heard>,
    /// Whether the log says that nothing is heard.
    is_deaf: AtomicBool,
}

impl Ear {
    /// Listens until nobody wants to hear any more or the store closes.
    async fn listen(self, mut closing: watch::Receiver<bool>) {
        let to = self.to.clone();
        tokio::select! {
            () = self.listen_on() => {}
            () = to.closed() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }

    async fn listen_on(&self) {
        let mut failed = 0;
        loop {
            let mut heard = false;
            let error = match self.hear(&mut heard).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            failed = if heard { 1 } else { failed + 1 };
            if !self.is_deaf.swap(true, Ordering::AcqRel) {
                tracing::warn!(%error, "What other nodes say is not heard; this one looks for itself");
            }
            let never = std::future::pending::<()>();
            let _ = timeout(pause(failed), never).await;
        }
    }

    /// Listens on one connection until that fails; says in `heard` whether anything came over it.
    async fn hear(&self, heard: &mut bool) -> Result<std::convert::Infallible> {
        let mut listener = self.connect().await?;
        // Whatever was said before now was missed.
        self.pass_on(Heard::Gap).await;
        self.gathered.ask_for_echo();
        let mut awaits_echo = true;
        loop {
            let OpenOptions {
                patience, quiet, ..
            } = self.options;
            let patience = if awaits_echo { 2 * patience } else { quiet };
            match timeout(patience, listener.try_recv()).await {
                Ok(Ok(Some(said))) => {
                    awaits_echo = false;
                    *heard = true;
                    self.heard_again();
                    self.take_apart(said.payload()).await;
                }
                Ok(Ok(None)) => return Err(broken()),
                Ok(Err(error)) => return Err(failure(&error)),
                Err(_) if awaits_echo => return Err(unheard()),
                Err(_) => {
                    self.gathered.ask_for_echo();
                    awaits_echo = true;
                }
            }
        }
    }

    async fn connect(&self) -> Result<PgListener> {
        let connected = timeout(self.options.patience, async {
            let mut listener = self.writers.servers.listener().await?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            sqlx::Result::Ok(listener)
        });
        match connected.await {
            Ok(listener) => listener.map_err(|error| failure(&error)),
            Err(_) => Err(not_in_time()),
        }
    }

    fn heard_again(&self) {
        if self.is_deaf.swap(false, Ordering::AcqRel) {
            tracing::info!("What other nodes say is heard again");
        }
    }

    /// Passes on what others said; what this process said itself, it knows.
    async fn take_apart(&self, payload: &str) {
        let mut lines = payload.split('\n');
        let name = lines.next().and_then(|first| first.strip_prefix(OPENING));
        match name {
            // Another version says it another way.
            None => self.pass_on(Heard::Gap).await,
            Some(name) if name == self.name => {}
            Some(_) => {
                for line in lines {
                    let heard = match line {
                        GAP => Heard::Gap,
                        line => Heard::Line(line.to_owned()),
                    };
                    self.pass_on(heard).await;
                }
            }
        }
    }

    /// Passes a line on; where there is no room for it, the gap that it leaves, once there is.
    async fn pass_on(&self, heard: Heard) {
        if let Err(TrySendError::Full(_)) = self.to.try_send(heard) {
            // An error means that nobody wants to hear any more.
            let _ = self.to.send(Heard::Gap).await;
        }
    }
}

/// Twice as long after each failure.
fn pause(failed: u32) -> Duration {
    let (shortest, longest) = PAUSES;
    (shortest * (1_u32 << failed.min(10))).min(longest)
}

/// Whether the store closes within that time.
async fn ends_within(closing: &mut watch::Receiver<bool>, time: Duration) -> bool {
    timeout(time, closing.wait_for(|closing| *closing))
        .await
        .is_ok()
}

fn not_in_time() -> StoreError {
    StoreError::Unavailable("the server does not answer in time".into())
}

fn broken() -> StoreError {
    StoreError::Unavailable("the connection that listens has ended".into())
}

fn unheard() -> StoreError {
    StoreError::Unavailable(
        "nothing comes back by LISTEN and NOTIFY: a pooler in transaction mode stands between, or \
         the server has none"
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_ten_seconds() {
        assert_eq!(pause(1), Duration::from_millis(500));
        assert_eq!(pause(2), Duration::from_secs(1));
        assert_eq!(pause(40), Duration::from_secs(10));
    }
}
