//! Verbs as transactions, tried again where the server gave one up; and verbs of the journal and
//! ends of executions that arrive together, written together.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use heartbeat_domain::settlement::Settlement;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::failure::{is_worth_another_try, silent, unanswered};
use super::tx::Tx;
use super::{Writers, endings, progress};
use crate::StoreError;
use crate::desk::FinishAsk;
use crate::progress::{About, Progress};
use crate::verbs::Result;

/// Verbs that share one transaction at most.
const SHARED_MAX: usize = 256;

/// Verbs that may wait; whoever comes then waits to be let into the queue.
const QUEUE: usize = 4_096;

/// Tries of one verb.
const TRIES: u32 = 8;

/// A verb under way.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;

/// How a try at a verb failed.
enum Failed<T> {
    /// Nothing of it has happened.
    Undone(StoreError),
    /// Whether it has happened is unknown; what its answer would be, if that is known.
    Unknown(StoreError, Option<T>),
}

/// When a verb's receipt is written at its first try; at each later one it is before all else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entering {
    /// In a statement of its own, before all else.
    Before,
    /// With the verb's own first statement.
    Within,
}

type Tried<T> = std::result::Result<T, Failed<T>>;

impl Writers {
    /// Runs a verb that writes; answers once it is durable. A repeat after a lost answer is the
    /// caller's, who knows how to ask what came of it.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut Tx) -> Work<'c, T> + Send + Sync,
        T: Send,
    {
        let mut failed = 0;
        loop {
            let tried = async {
                let mut tx = self.begin().await?;
                let end = work(&mut tx).await;
                ended(tx, end).await
            };
            let tried = self.in_time(tried).await;
            if let Some(answer) = self.judged(&mut failed, tried).await {
                return answer;
            }
        }
    }

    /// The same for a verb that has no key of its own, by which a repeat would find its first write:
    /// a receipt in the same transaction says whether it happened, and the first answer is given.
    pub(super) async fn write_once<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> Fn(&'c mut Tx) -> Work<'c, T> + Send + Sync,
        T: Clone + Send + Sync + 'static,
    {
        self.once(Entering::Before, work, |_, first| {
            Box::pin(async { Ok(first) })
        })
        .await
    }

    /// The same for a verb whose first statement writes the receipt, which it finds in its
    /// transaction at the first try; `stands` leaves of its first answer what still holds.
    pub(super) async fn write_once_within<T, F, S>(&self, work: F, stands: S) -> Result<T>
    where
        F: for<'c> Fn(&'c mut Tx) -> Work<'c, T> + Send + Sync,
        S: for<'c> Fn(&'c mut Tx, T) -> Work<'c, T> + Send + Sync,
        T: Clone + Send + Sync + 'static,
    {
        self.once(Entering::Within, work, stands).await
    }

    async fn once<T, F, S>(&self, entering: Entering, work: F, stands: S) -> Result<T>
    where
        F: for<'c> Fn(&'c mut Tx) -> Work<'c, T> + Send + Sync,
        S: for<'c> Fn(&'c mut Tx, T) -> Work<'c, T> + Send + Sync,
        T: Clone + Send + Sync + 'static,
    {
        let receipt = self.receipts.fresh(&self.ids);
        let (mut failed, mut first) = (0, None);
        loop {
            let within = failed == 0 && entering == Entering::Within;
            let tried = async {
                let mut tx = self.begin().await?;
                let is_new = match within {
                    true => {
                        tx.carry(receipt.clone());
                        Ok(true)
                    }
                    false => receipt.enter(&mut tx).await,
                };
                let end = match (is_new, &first) {
                    (Ok(true), _) => work(&mut tx).await,
                    (Ok(false), Some(first)) => stands(&mut tx, T::clone(first)).await,
                    (Ok(false), None) => Err(unanswered()),
                    (Err(error), _) => Err(error),
                };
                ended(tx, end).await
            };
            let tried = match self.in_time(tried).await {
                Err(Failed::Unknown(error, answer)) => {
                    first = answer.or(first);
                    Err(Failed::Undone(error))
                }
                tried => tried,
            };
            if let Some(end) = self.judged(&mut failed, tried).await {
                self.receipts.spend(receipt);
                return end;
            }
        }
    }

    /// A try, or that nobody knows what came of it: a server that is gone without a word must not
    /// keep those who wait for it.
    async fn in_time<T>(&self, tried: impl Future<Output = Tried<T>>) -> Tried<T> {
        let mut tried = pin!(tried);
        match timeout(self.answer_within, tried.as_mut()).await {
            Ok(tried) => tried,
            Err(_) => {
                // Before the connection goes back, so that it is asked then.
                self.servers.doubt();
                Err(Failed::Unknown(silent(), None))
            }
        }
    }

    async fn begin<T>(&self) -> std::result::Result<Tx, Failed<T>> {
        let conn = self.servers.begin().await.map_err(Failed::Undone)?;
        let (ids, schedules) = (Arc::clone(&self.ids), Arc::clone(&self.schedules));
        Ok(Tx::new(conn, ids, schedules, Arc::clone(&self.round)))
    }

    /// What a try comes to; nothing where there is to be another.
    async fn judged<T>(&self, failed: &mut u32, tried: Tried<T>) -> Option<Result<T>> {
        *failed += 1;
        if let Err(Failed::Undone(error) | Failed::Unknown(error, _)) = &tried {
            self.servers.heed(error).await;
        }
        match tried {
            Ok(answer) => Some(Ok(answer)),
            Err(Failed::Undone(error)) if *failed < TRIES && is_worth_another_try(&error) => {
                self.pause(*failed).await;
                None
            }
            Err(Failed::Undone(error) | Failed::Unknown(error, _)) => Some(Err(error)),
        }
    }

    /// 5 ms, then twice as long each time, and up to as much again by chance: two that met do not
    /// meet again.
    async fn pause(&self, failed: u32) {
        let millis = 5_u64 << failed.min(7);
        let mut chance = [0; 1];
        self.ids.fill(&mut chance);
        let more = millis * u64::from(chance[0]) / 255;
        #[expect(
            clippy::disallowed_methods,
            reason = "others hold the rows for a moment that no signal ends"
        )]
        tokio::time::sleep(Duration::from_millis(millis + more)).await;
    }
}

async fn ended<T>(tx: Tx, end: Result<T>) -> Tried<T> {
    match end {
        Ok(answer) => match tx.commit().await {
            Ok(()) => Ok(answer),
            Err(error) => Err(Failed::Unknown(error, Some(answer))),
        },
        Err(error) => {
            tx.roll_back().await;
            Err(Failed::Undone(error))
        }
    }
}

/// What waits for a writer.
enum Message {
    /// A verb of the journal.
    GoOn(Box<dyn StepVerb>),
    /// The end of an execution.
    Finish(Box<Finish>),
    /// There will be no more.
    Stop(oneshot::Sender<()>),
}

/// A verb that is a function of how far an execution has come.
trait StepVerb: Send + Sync {
    /// What it is about.
    fn about(&self) -> About;
    /// Decides, changes that, and keeps its answer; a later run replaces it.
    fn run(&mut self, at: &mut Progress);
    /// Hands its answer out; `end` is that of the transaction.
    fn answer(self: Box<Self>, end: Result<()>);
}

/// A verb of the journal, its answer, and who waits for it.
struct Step<F, T> {
    about: About,
    work: F,
    answer: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> StepVerb for Step<F, T>
where
    F: Fn(&mut Progress) -> Result<T> + Send + Sync,
    T: Send + Sync,
{
    fn about(&self) -> About {
        self.about
    }

    fn run(&mut self, at: &mut Progress) {
        self.answer = Some((self.work)(at));
    }

    fn answer(self: Box<Self>, end: Result<()>) {
        let none = || Err(StoreError::Corrupt("no answer".into()));
        let Self { answer, reply, .. } = *self;
        let answer = end.and_then(|()| answer.unwrap_or_else(none));
        // Whoever asked may have gone away; the verb has happened all the same.
        let _ = reply.send(answer);
    }
}

/// The end of an execution, and who waits for it.
struct Finish {
    ask: FinishAsk,
    reply: oneshot::Sender<Result<Settlement>>,
}

/// The way to a writer.
#[derive(Clone)]
pub(super) struct Queue(mpsc::Sender<Message>);

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue(…)")
    }
}

impl Queue {
    /// Runs a verb of the journal; answers once it is durable.
    pub(super) async fn go_on<T, F>(&self, about: About, work: F) -> Result<T>
    where
        F: Fn(&mut Progress) -> Result<T> + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let step = Step {
            about,
            work,
            answer: None,
            reply,
        };
        self.send(Message::GoOn(Box::new(step))).await?;
        answer.await.map_err(|_| closed())?
    }

    /// Ends an execution; answers once that is durable.
    pub(super) async fn finish(&self, ask: FinishAsk) -> Result<Settlement> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Finish(Box::new(Finish { ask, reply })))
            .await?;
        answer.await.map_err(|_| closed())?
    }

    /// Lets the writer end what waits, and stop.
    pub(super) async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.send(Message::Stop(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    async fn send(&self, message: Message) -> Result<()> {
        self.0.send(message).await.map_err(|_| closed())
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("it has been closed".into())
}

/// Starts a writer; it ends with the store.
pub(super) fn start(writers: Arc<Writers>) -> Queue {
    let (sender, receiver) = mpsc::channel(QUEUE);
    #[expect(
        clippy::disallowed_methods,
        reason = "the writer ends with the store that owns it"
    )]
    tokio::spawn(run(writers, receiver));
    Queue(sender)
}

async fn run(writers: Arc<Writers>, mut queue: mpsc::Receiver<Message>) {
    let mut gathered = Vec::with_capacity(SHARED_MAX);
    let mut stopped = None;
    while stopped.is_none() && queue.recv_many(&mut gathered, SHARED_MAX).await > 0 {
        let (mut steps, mut finishes) = (Vec::new(), Vec::new());
        for message in gathered.drain(..) {
            match message {
                Message::GoOn(step) => steps.push(step),
                Message::Finish(finish) => finishes.push(*finish),
                Message::Stop(reply) => stopped = Some(reply),
            }
        }
        go_on_all(&writers, steps).await;
        finish_all(&writers, finishes).await;
    }
    queue.close();
    if let Some(reply) = stopped {
        let _ = reply.send(());
    }
}

/// Runs verbs of the journal together. One that spoils the transaction must not hurt the others.
async fn go_on_all(writers: &Writers, mut steps: Vec<Box<dyn StepVerb>>) {
    if steps.is_empty() {
        return;
    }
    let end = go_on(writers, &mut steps).await;
    let spoilt = !matches!(end, Ok(()) | Err(StoreError::Unavailable(_)));
    let alone = steps.len() == 1;
    for mut step in steps {
        let end = match spoilt && !alone {
            true => go_on(writers, std::slice::from_mut(&mut step)).await,
            false => end.clone(),
        };
        step.answer(end);
    }
}

async fn go_on(writers: &Writers, steps: &mut [Box<dyn StepVerb>]) -> Result<()> {
    let abouts: Vec<About> = steps.iter().map(|step| step.about()).collect();
    let mut failed = 0;
    loop {
        let tried = async {
            let mut tx = writers.begin().await?;
            let end = decide(&mut tx, &abouts, steps).await;
            ended(tx, end).await
        };
        let tried = writers.in_time(tried).await;
        if let Some(end) = writers.judged(&mut failed, tried).await {
            return end;
        }
    }
}

async fn decide(tx: &mut Tx, abouts: &[About], steps: &mut [Box<dyn StepVerb>]) -> Result<()> {
    let mut at = progress::load(tx, abouts).await?;
    for step in steps {
        step.run(&mut at);
    }
    progress::write(tx, &at).await
}

/// Ends executions together. One that spoils the transaction must not hurt the others.
async fn finish_all(writers: &Writers, finishes: Vec<Finish>) {
    if finishes.is_empty() {
        return;
    }
    let (asks, replies): (Vec<FinishAsk>, Vec<_>) = finishes
        .into_iter()
        .map(|finish| (finish.ask, finish.reply))
        .unzip();
    let answers = match finish(writers, &asks).await {
        Ok(answers) => answers,
        Err(error @ StoreError::Unavailable(_)) => {
            asks.iter().map(|_| Err(error.clone())).collect()
        }
        Err(error) if asks.len() == 1 => vec![Err(error)],
        Err(_) => {
            let mut answers = Vec::with_capacity(asks.len());
            for ask in &asks {
                let answer = finish(writers, std::slice::from_ref(ask)).await;
                let none = || Err(StoreError::Corrupt("no answer".into()));
                answers.push(answer.and_then(|mut one| one.pop().unwrap_or_else(none)));
            }
            answers
        }
    };
    for (answer, reply) in answers.into_iter().zip(replies) {
        let _ = reply.send(answer);
    }
}

async fn finish(writers: &Writers, asks: &[FinishAsk]) -> Result<Vec<Result<Settlement>>> {
    let asks: Vec<&FinishAsk> = asks.iter().collect();
    let (mut failed, mut first) = (0, None);
    loop {
        let tried = async {
            let mut tx = writers.begin().await?;
            let end = endings::finish_all(&mut tx, &asks).await;
            ended(tx, end).await
        };
        let tried = match writers.in_time(tried).await {
            Err(Failed::Unknown(error, answers)) => {
                first = answers.or(first);
                Err(Failed::Undone(error))
            }
            tried => tried,
        };
        if let Some(end) = writers.judged(&mut failed, tried).await {
            return end.map(|answers| first_of(first, answers));
        }
    }
}

/// What a repeat finds written is answered as it was when it was written: the rows alone no longer
/// say which moments it passed over.
fn first_of(
    first: Option<Vec<Result<Settlement>>>,
    again: Vec<Result<Settlement>>,
) -> Vec<Result<Settlement>> {
    let Some(first) = first else {
        return again;
    };
    let chosen = first.into_iter().zip(again).map(|pair| match pair {
        (Ok(first), Ok(again)) if first.execution == again.execution => Ok(first),
        (_, again) => again,
    });
    chosen.collect()
}
