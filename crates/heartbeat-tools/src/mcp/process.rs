//! A declared server as a child process: nothing of ours in its environment, a process group of its
//! own that ends as a whole, and bounds on what it says.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::OwnedSemaphorePermit;

use super::declared::Declared;
use super::trace::Problem;

/// Most bytes of one message.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most bytes between the beginnings of two calls.
const CALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is kept of its last words.
const LAST_WORDS_MAX: usize = 2 * 1024;

/// How long it may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// A running child. Dropping it kills its whole group.
pub(super) struct Process {
    child: Child,
    group: Option<u32>,
    last_words: LastWords,
    heard: Arc<Heard>,
    /// One of `mcp_processes`, held as long as it lives.
    _place: OwnedSemaphorePermit,
}

/// What the protocol reads and writes.
pub(super) type Pipes = (Bounded<ChildStdout>, ChildStdin);

impl Process {
    /// Starts a declared server.
    pub(super) fn start(
        declared: &Declared,
        place: OwnedSemaphorePermit,
    ) -> Result<(Self, Pipes), Problem> {
        let failed = |error: io::Error| {
            let program = declared.program.display();
            let message = format!("the program {program} cannot be started: {error}");
            Problem::certain("TOOL_SERVER_UNREACHABLE", message)
        };
        let mut command = Command::new(&declared.program);
        command
            .args(&declared.args)
            .env_clear()
            .envs(&declared.env)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        let heard = Arc::new(Heard::default());
        let process = Self {
            group: child.id(),
            child,
            last_words: LastWords::of(stderr),
            heard: Arc::clone(&heard),
            _place: place,
        };
        let bounded = Bounded {
            inner: stdout,
            message: 0,
            heard,
        };
        Ok((process, (bounded, stdin)))
    }

    /// A call begins: what was said before no longer counts.
    pub(super) fn call_begins(&self) {
        self.heard.bytes.store(0, Ordering::SeqCst);
    }

    /// Why it is silent, as far as is known.
    pub(super) fn problem(&self) -> Problem {
        if self.heard.is_flooded.load(Ordering::SeqCst) {
            let words = "the tool server sent more than is read, and was ended";
            return Problem::open("TOOL_SERVER_FLOODS", words);
        }
        let last_words = self.last_words.text();
        let message = match last_words.is_empty() {
            true => "the tool server ended".to_owned(),
            false => format!("the tool server ended; its last words: {last_words}"),
        };
        Problem::open("TOOL_SERVER_UNREACHABLE", message)
    }

    /// Kills the group; the child itself is reaped when this is dropped.
    pub(super) fn kill(&self) {
        #[cfg(unix)]
        if let Some(group) = self
            .group
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            // The group may be gone already, which is what is wanted.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }

    /// Waits for an end of its own accord once its input is closed, then ends what is left.
    pub(super) async fn part(mut self) {
        let _ = tokio::time::timeout(FAREWELL, self.child.wait()).await;
        self.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Windows knows no groups: there only the child itself is ended.
        let _ = self.child.start_kill();
    }
}

#[derive(Debug, Default)]
struct Heard {
    bytes: AtomicUsize,
    is_flooded: AtomicBool,
}

/// What a child says on its output, ended when it is too much.
pub(super) struct Bounded<R> {
    inner: R,
    /// Bytes since the last end of a line.
    message: usize,
    heard: Arc<Heard>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        self.message = match new.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => new.len() - end - 1,
            None => self.message + new.len(),
        };
        let heard = self.heard.bytes.fetch_add(new.len(), Ordering::SeqCst) + new.len();
        if self.message > MESSAGE_BYTES_MAX || heard > CALL_BYTES_MAX {
            self.heard.is_flooded.store(true, Ordering::SeqCst);
            return Poll::Ready(Err(io::Error::other("more than is read")));
        }
        Poll::Ready(Ok(()))
    }
}

/// The end of what a child wrote to its error output.
#[derive(Clone, Default)]
struct LastWords(Arc<Mutex<VecDeque<u8>>>);

impl LastWords {
    #[expect(
        clippy::disallowed_methods,
        reason = "it reads as long as the child lives, whoever calls meanwhile, and ends with it"
    )]
    fn of(mut stderr: ChildStderr) -> Self {
        let words = Self::default();
        let kept = words.clone();
        tokio::spawn(async move {
            let mut chunk = [0; 1024];
            while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
                kept.push(&chunk[..read]);
            }
        });
        words
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let excess = kept.len().saturating_sub(LAST_WORDS_MAX);
        kept.drain(..excess);
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}
