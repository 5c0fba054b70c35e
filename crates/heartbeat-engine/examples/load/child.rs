//! The engine in a process of its own, so that its memory and its start are nobody else's.
//!
//! The child writes a line when it is ready, one when its first fire has ended, and one with what
//! it takes of the machine when it is asked for it. When its input ends it stops cleanly.

use std::io::Write as _;
use std::process::Stdio;

use heartbeat_engine::events::{EventKind, Seen};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

use super::Fallible;
use super::args::Args;
use super::place::Place;
use super::usage::Usage;
use super::world::{Running, World, stopwatch};

/// Asks a child what it takes of the machine.
const USAGE: &str = "usage";

/// Tells a child that something is due.
const WAKE: &str = "wake";

/// Lives as the measured process.
pub(crate) async fn live(args: &Args, name: &str) -> Fallible<()> {
    let place = Place::of_child(args)?;
    say("begun", Usage::of_this_process()?)?;
    let _only_server = place.lock_for_serving()?;
    let mut world = World::open_for_engine(&place).await?;
    if let Some(url) = &args.model_url {
        world.ask(url, usize::try_from(args.sessions)?)?;
    }
    let mut onlooker = world.live.look_at_all();
    let engine = world.start(name).await?;
    say("ready", Usage::of_this_process()?)?;
    let first_fire = async {
        loop {
            match onlooker.next().await {
                Some(Seen::Event(event)) if matches!(event.kind, EventKind::Ended { .. }) => break,
                Some(_) => {}
                None => return Ok(()),
            }
        }
        drop(onlooker);
        say("fired", Usage::of_this_process()?)?;
        std::future::pending().await
    };
    tokio::select! {
        ended = first_fire => ended,
        ended = answer_until_the_end(&engine) => ended,
    }?;
    engine.stop().await?;
    world.close().await;
    Ok(())
}

async fn answer_until_the_end(engine: &Running) -> Fallible<()> {
    let (ask, mut asks) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        let mut asked = std::io::stdin().lines();
        while let Some(Ok(line)) = asked.next() {
            if ask.blocking_send(line).is_err() {
                break;
            }
        }
    });
    while let Some(line) = asks.recv().await {
        match line.as_str() {
            WAKE => engine.wake(),
            _ => say(USAGE, Usage::of_this_process()?)?,
        }
    }
    Ok(())
}

fn say(what: &str, usage: Usage) -> Fallible<()> {
    let Usage {
        resident,
        resident_max,
        cpu_ms,
    } = usage;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {resident} {resident_max} {cpu_ms}")?;
    out.flush()?;
    Ok(())
}

/// A child that is measured.
pub(crate) struct Child {
    process: tokio::process::Child,
    asks: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    passed: Box<dyn Fn() -> f64 + Send + Sync>,
    /// Of the process before it opened the database.
    pub(crate) before: Usage,
}

impl Child {
    /// Starts one; the time since then is what [`Child::heard`] answers.
    pub(crate) async fn start(world: &World) -> Fallible<Self> {
        Self::start_with(world, &[], &[]).await
    }

    /// Starts one whose node has that name.
    pub(crate) async fn start_as(world: &World, name: &str) -> Fallible<Self> {
        Self::start_with(world, &["--live-as", name], &[]).await
    }

    /// Starts one with more arguments, in an environment with more variables.
    pub(crate) async fn start_with(
        world: &World,
        more: &[&str],
        environment: &[(&str, &str)],
    ) -> Fallible<Self> {
        let passed = Box::new(stopwatch());
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--live-as", "node 1", "--database"])
            .arg(world.db.place.argument()?)
            .args(more)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let asks = process.stdin.take().ok_or("the child has no input")?;
        let output = process.stdout.take().ok_or("the child has no output")?;
        let lines = BufReader::new(output).lines();
        let mut child = Self {
            process,
            asks,
            lines,
            passed,
            before: Usage::default(),
        };
        child.before = child.heard("begun").await?.1;
        Ok(child)
    }

    /// Waits for a line; answers when it came, in milliseconds since the start.
    pub(crate) async fn heard(&mut self, what: &str) -> Fallible<(f64, Usage)> {
        while let Some(line) = self.lines.next_line().await? {
            let at = (self.passed)();
            let mut words = line.split(' ');
            if words.next() != Some(what) {
                continue;
            }
            let mut number = || -> Fallible<u64> {
                Ok(words.next().ok_or("a child's line is too short")?.parse()?)
            };
            let usage = Usage {
                resident: number()?,
                resident_max: number()?,
                cpu_ms: number()?,
            };
            return Ok((at, usage));
        }
        Err(format!("the child ended before it was `{what}`").into())
    }

    /// What it takes of the machine now.
    pub(crate) async fn usage(&mut self) -> Fallible<Usage> {
        self.tell(USAGE).await?;
        Ok(self.heard(USAGE).await?.1)
    }

    /// Tells it that something is due.
    pub(crate) async fn wake(&mut self) -> Fallible<()> {
        self.tell(WAKE).await
    }

    async fn tell(&mut self, what: &str) -> Fallible<()> {
        self.asks.write_all(format!("{what}\n").as_bytes()).await?;
        Ok(self.asks.flush().await?)
    }

    /// Stops it cleanly.
    pub(crate) async fn stop(self) -> Fallible<()> {
        let Self {
            mut process, asks, ..
        } = self;
        drop(asks);
        match process.wait().await?.success() {
            true => Ok(()),
            false => Err("the child did not stop cleanly".into()),
        }
    }

    /// Ends it as `kill -9` does.
    pub(crate) async fn kill(mut self) -> Fallible<()> {
        Ok(self.process.kill().await?)
    }
}
