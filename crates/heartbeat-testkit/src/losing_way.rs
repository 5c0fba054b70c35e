//! A way to a PostgreSQL server that loses answers on purpose: it passes everything on, and when it
//! was told to, cuts a connection after the server has committed and before that is answered.
//!
//! It reads as much of the protocol as this takes, on connections without TLS.

use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The code with which a connection begins that asks for no TLS.
const PROTOCOL_3: [u8; 4] = [0, 3, 0, 0];

/// What the server says last to a command.
const READY: [u8; 5] = [b'Z', 0, 0, 0, 5];

/// A way to a server; it ends with the runtime that it was opened on.
#[derive(Debug)]
pub struct LosingWay {
    address: SocketAddr,
    orders: Arc<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    /// Whether the answer of the next commit is lost.
    lose: AtomicBool,
    lost: AtomicU64,
    /// Whether nothing is passed on any more, and nobody is told.
    silent: AtomicBool,
    /// How often it fell silent; what was connected before stays silent.
    falls: AtomicU64,
    /// Whether connections carry no notifications.
    deaf: AtomicBool,
    /// How many were dropped.
    unheard: AtomicU64,
    /// Whether the way is closed once the next answer was lost.
    close: AtomicBool,
    /// Whether questions wait until it is open.
    closed: watch::Sender<bool>,
}

impl LosingWay {
    /// Opens a way to the server of a URL with one host and port; answers it with the URL that
    /// leads over it.
    ///
    /// # Panics
    /// The URL has no port, or no port is free.
    pub async fn to(url: &str) -> (Self, String) {
        let (before, rest) = url.split_once('@').expect("the URL names a user");
        let (server, path) = rest.split_once('/').expect("the URL names a database");
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a loopback port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let orders = Arc::<Orders>::default();
        let way = Self {
            address,
            orders: Arc::clone(&orders),
        };
        let server = server.to_owned();
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the runtime of the test"
        )]
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, orders) = (server.clone(), Arc::clone(&orders));
                tokio::spawn(async move {
                    // An end of either side ends both.
                    let _ = connect(client, &server, &orders).await;
                });
            }
        });
        let url = format!("{before}@{}/{path}", way.address);
        (way, url)
    }

    /// From now on, the answer of the next commit is lost.
    pub fn lose_next(&self) {
        self.orders.lose.store(true, Ordering::SeqCst);
    }

    /// The same; then every question waits until the way is opened.
    pub fn lose_next_and_close(&self) {
        self.orders.close.store(true, Ordering::SeqCst);
        self.lose_next();
    }

    /// Returns once the way is closed.
    pub async fn closed(&self) {
        let mut closed = self.orders.closed.subscribe();
        let closed = closed.wait_for(|closed| *closed).await;
        closed.expect("the way holds the sender");
    }

    /// Passes on what waits.
    pub fn open(&self) {
        self.orders.closed.send_replace(false);
    }

    /// Connections made from now on carry no notifications, as behind a pooler that hands a
    /// connection of the server to whoever needs it next.
    pub fn deafen(&self) {
        self.orders.deaf.store(true, Ordering::SeqCst);
    }

    /// Connections made from now on carry them again.
    pub fn hear_again(&self) {
        self.orders.deaf.store(false, Ordering::SeqCst);
    }

    /// How many notifications were dropped.
    #[must_use]
    pub fn unheard(&self) -> u64 {
        self.orders.unheard.load(Ordering::SeqCst)
    }

    /// From now on nothing is passed on, and no connection ends: the server is gone without a word.
    pub fn fall_silent(&self) {
        self.orders.falls.fetch_add(1, Ordering::SeqCst);
        self.orders.silent.store(true, Ordering::SeqCst);
    }

    /// New connections are passed on again; those that fell silent stay so.
    pub fn speak_again(&self) {
        self.orders.silent.store(false, Ordering::SeqCst);
    }

    /// How many answers were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.orders.lost.load(Ordering::SeqCst)
    }
}

impl Orders {
    async fn until_open(&self) {
        let mut closed = self.closed.subscribe();
        let open = closed.wait_for(|closed| !closed).await;
        open.expect("the way holds the sender");
    }

    /// Never returns for a connection made after so many falls, if there was another since.
    async fn unless_silent(&self, falls: u64) {
        let fell_since = self.falls.load(Ordering::SeqCst) > falls;
        if fell_since || self.silent.load(Ordering::SeqCst) {
            std::future::pending().await
        }
    }
}

/// What was seen of one connection.
struct Seen {
    /// Whether a commit whose answer is to be lost was passed on.
    commit: AtomicBool,
    /// How often the way had fallen silent when it was made.
    falls: u64,
    /// Whether it carries no notifications.
    is_deaf: bool,
}

async fn connect(client: TcpStream, server: &str, orders: &Orders) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let seen = Seen {
        commit: AtomicBool::new(false),
        falls: orders.falls.load(Ordering::SeqCst),
        is_deaf: orders.deaf.load(Ordering::SeqCst),
    };
    tokio::select! {
        ended = questions(from_client, to_server, (orders, &seen)) => ended,
        ended = answers(from_server, to_client, (orders, &seen)) => ended,
    }
}

/// Passes on what the client says, message by message.
async fn questions(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (orders, seen): (&Orders, &Seen),
) -> Result<()> {
    // The first messages have no kind.
    orders.unless_silent(seen.falls).await;
    while !pass_on(&mut from, &mut to).await?.starts_with(&PROTOCOL_3) {}
    loop {
        let kind = from.read_u8().await?;
        let (length, body) = message(&mut from).await?;
        orders.unless_silent(seen.falls).await;
        orders.until_open().await;
        let is_commit = kind == b'Q' && body.starts_with(b"COMMIT");
        if is_commit && orders.lose.swap(false, Ordering::SeqCst) {
            seen.commit.store(true, Ordering::SeqCst);
        }
        to.write_all(&[&[kind], &length.to_be_bytes()[..], &body].concat())
            .await?;
    }
}

async fn pass_on(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Result<Vec<u8>> {
    let (length, body) = message(from).await?;
    to.write_all(&[&length.to_be_bytes()[..], &body].concat())
        .await?;
    Ok(body)
}

/// A message: its length, which counts itself, and what it says.
async fn message(from: &mut OwnedReadHalf) -> Result<(u32, Vec<u8>)> {
    let length = from.read_u32().await?;
    let rest = usize::try_from(length).unwrap_or(0).saturating_sub(4);
    let mut body = vec![0; rest];
    from.read_exact(&mut body).await?;
    Ok((length, body))
}

/// Passes on what the server says; the answer of a commit that is to be lost ends the connection.
async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (orders, seen): (&Orders, &Seen),
) -> Result<()> {
    let mut kept = Vec::new();
    loop {
        let mut bytes = vec![0; 1 << 16];
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        orders.unless_silent(seen.falls).await;
        kept.extend_from_slice(&bytes[..count]);
        if seen.commit.load(Ordering::SeqCst) {
            let is_whole = kept.len() >= 6 && kept[kept.len() - 6..].starts_with(&READY);
            if !is_whole {
                continue;
            }
            if kept.windows(7).any(|text| text == b"COMMIT\0") {
                orders.lost.fetch_add(1, Ordering::SeqCst);
                if orders.close.swap(false, Ordering::SeqCst) {
                    orders.closed.send_replace(true);
                }
                return Ok(());
            }
            // The server refused; that is an answer like any other.
            seen.commit.store(false, Ordering::SeqCst);
        }
        if seen.is_deaf {
            let (passed, dropped) = without_notifications(&mut kept);
            orders.unheard.fetch_add(dropped, Ordering::SeqCst);
            to.write_all(&passed).await?;
        } else {
            to.write_all(&kept).await?;
            kept.clear();
        }
    }
}

/// Takes whole messages but notifications, and how many those were; a part of one stays.
fn without_notifications(bytes: &mut Vec<u8>) -> (Vec<u8>, u64) {
    // The answer to the question for TLS is a single byte.
    if bytes.as_slice() == b"N" {
        return (std::mem::take(bytes), 0);
    }
    let (mut passed, mut dropped) = (Vec::new(), 0);
    while let Some(&[a, b, c, d]) = bytes.get(1..5).and_then(|length| length.first_chunk()) {
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX - 1);
        if bytes.len() < 1 + length {
            break;
        }
        let message: Vec<u8> = bytes.drain(..=length).collect();
        match message[0] {
            b'A' => dropped += 1,
            _ => passed.extend(message),
        }
    }
    (passed, dropped)
}
