//! A `heartbeat serve` under way.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::watch;

use super::home::Ran;
use super::wait::{beside, within};

/// Every line that came from somewhere so far: from an end of a process, or a view that goes on.
#[derive(Clone)]
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Lines {
    pub(crate) fn of(end: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, count) = watch::channel(0);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        beside(async move {
            let mut end = BufReader::new(end).lines();
            while let Ok(Some(line)) = end.next_line().await {
                written.lock().unwrap().push(line);
                sender.send_modify(|count| *count += 1);
            }
        });
        Self { lines, count }
    }

    /// What there is.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The first line with that text; nothing if the end closed without one.
    async fn find(&self, text: &str) -> Option<String> {
        let mut count = self.count.clone();
        let found = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        loop {
            count.borrow_and_update();
            if let Some(line) = found(&self.all()) {
                return Some(line);
            }
            if count.changed().await.is_err() {
                return found(&self.all());
            }
        }
    }

    /// The first line with that text, once it is there.
    pub(crate) async fn wait_for(&self, text: &str) -> String {
        let line = within(&format!("a line with `{text}`"), self.find(text)).await;
        line.unwrap_or_else(|| panic!("no line with `{text}` in {:#?}", self.all()))
    }

    /// Returns once the process has closed this end.
    async fn closed(&self) {
        let mut count = self.count.clone();
        while count.changed().await.is_ok() {}
    }
}

/// A server that listens.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
    child: Child,
}

impl Server {
    /// Waits until a server listens; answers how it ended, if it does not.
    pub(crate) async fn start(mut child: Child) -> Result<Self, Ran> {
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        let line = within("a server that listens", stdout.find("listening on")).await;
        if let Some(line) = line {
            let (_, address) = line.split_once("http://").unwrap();
            let address = address.to_owned();
            return Ok(Self {
                address,
                stdout,
                stderr,
                child,
            });
        }
        let status = within("the end of a server", child.wait()).await.unwrap();
        within("the end of its output", stderr.closed()).await;
        Err(Ran {
            code: status.code().unwrap_or(-1),
            stdout: stdout.all().join("\n"),
            stderr: stderr.all().join("\n"),
        })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// Sends a signal, by the shell: `kill` is built into every one.
    pub(crate) async fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.pid());
        let sent = tokio::process::Command::new("sh")
            .args(["-c", &script])
            .status()
            .await;
        assert!(sent.unwrap().success(), "{script}");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        within("the end of a server", self.child.wait())
            .await
            .unwrap()
    }

    /// Stops it as Ctrl-C does; it must end well.
    pub(crate) async fn stop(mut self) {
        self.signal("INT").await;
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{:#?}", self.stderr.all());
    }

    /// Ends it as the power does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
