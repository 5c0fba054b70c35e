//! The writer: one connection, one task, and verbs that share transactions.
//!
//! Verbs wait in a queue. The writer takes what has gathered, runs it in one transaction, commits,
//! and only then answers; so one flush to the disk pays for many verbs. If the commit fails nobody
//! is told that anything happened.

use std::pin::Pin;

use heartbeat_domain::settlement::Settlement;
use tokio::sync::{mpsc, oneshot};

use super::endings;
use super::progress;
use super::tx::Tx;
use crate::StoreError;
use crate::desk::FinishAsk;
use crate::progress::{About, Progress};
use crate::verbs::Result;

/// Verbs that share one transaction at most; bounds how long the first of them waits.
const SHARED_MAX: usize = 1_024;

/// Verbs that may wait; whoever comes then waits to be let into the queue.
const QUEUE: usize = 4_096;

/// A verb under way.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;

/// What waits for the writer.
pub(super) enum Message {
    /// A verb.
    Verb(Box<dyn Verb>),
    /// A verb of the journal; several are written together.
    GoOn(Box<dyn StepVerb>),
    /// The end of an execution; several are written together.
    Finish(Box<Finish>),
    /// There will be no more.
    Stop(oneshot::Sender<()>),
}

/// A verb, its answer, and who waits for it.
pub(super) trait Verb: Send {
    /// Runs it and keeps its answer.
    fn run<'c>(&'c mut self, tx: &'c mut Tx) -> Work<'c, ()>;
    /// Hands its answer out; `end` is that of the transaction.
    fn answer(self: Box<Self>, end: &Result<()>);
}

/// A verb made of a function.
pub(super) struct Asked<F, T> {
    work: Option<F>,
    answer: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Verb for Asked<F, T>
where
    F: for<'c> FnOnce(&'c mut Tx) -> Work<'c, T> + Send,
    T: Send,
{
    fn run<'c>(&'c mut self, tx: &'c mut Tx) -> Work<'c, ()> {
        Box::pin(async move {
            let Some(work) = self.work.take() else {
                return Ok(());
            };
            let answer = work(tx).await;
            let end = answer.as_ref().map(|_| ()).map_err(Clone::clone);
            self.answer = Some(answer);
            end
        })
    }

    fn answer(self: Box<Self>, end: &Result<()>) {
        let answer = given(self.answer, end);
        // Whoever asked may have gone away; the verb has happened all the same.
        let _ = self.reply.send(answer);
    }
}

/// A verb that is a function of how far an execution has come.
pub(super) trait StepVerb: Send {
    /// What it is about.
    fn about(&self) -> About;
    /// Decides, changes that, and keeps its answer; a later run replaces it.
    fn run(&mut self, at: &mut Progress);
    /// Says that nothing of it could be written.
    fn fail(&mut self, error: &StoreError);
    /// Hands its answer out; `end` is that of the transaction.
    fn answer(self: Box<Self>, end: &Result<()>);
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
    F: Fn(&mut Progress) -> Result<T> + Send,
    T: Send,
{
    fn about(&self) -> About {
        self.about
    }

    fn run(&mut self, at: &mut Progress) {
        self.answer = Some((self.work)(at));
    }

    fn fail(&mut self, error: &StoreError) {
        self.answer = Some(Err(error.clone()));
    }

    fn answer(self: Box<Self>, end: &Result<()>) {
        let answer = given(self.answer, end);
        let _ = self.reply.send(answer);
    }
}

/// The end of an execution, and who waits for it.
pub(super) struct Finish {
    ask: FinishAsk,
    answer: Option<Result<Settlement>>,
    reply: oneshot::Sender<Result<Settlement>>,
}

fn given<T>(answer: Option<Result<T>>, end: &Result<()>) -> Result<T> {
    match (end, answer) {
        (Err(error), _) => Err(error.clone()),
        (Ok(()), Some(answer)) => answer,
        (Ok(()), None) => Err(StoreError::Unavailable("the verb was given up".into())),
    }
}

/// The way to the writer.
#[derive(Clone, Debug)]
pub(super) struct Queue(mpsc::Sender<Message>);

impl Queue {
    /// Runs a verb; answers once it is durable.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut Tx) -> Work<'c, T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Verb(Box::new(Asked {
            work: Some(work),
            answer: None,
            reply,
        })))
        .await?;
        answer.await.map_err(|_| closed())?
    }

    /// Runs a verb of the journal; answers once it is durable.
    pub(super) async fn go_on<T, F>(&self, about: About, work: F) -> Result<T>
    where
        F: Fn(&mut Progress) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Message::GoOn(Box::new(Step {
            about,
            work,
            answer: None,
            reply,
        })))
        .await?;
        answer.await.map_err(|_| closed())?
    }

    /// Ends an execution; answers once that is durable.
    pub(super) async fn finish(&self, ask: FinishAsk) -> Result<Settlement> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Finish(Box::new(Finish {
            ask,
            answer: None,
            reply,
        })))
        .await?;
        answer.await.map_err(|_| closed())?
    }

    /// Lets the writer end what waits, and stop.
    pub(super) async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.0.send(Message::Stop(reply)).await.is_ok() {
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

/// Starts the writer on a connection that is its own from then on.
pub(super) fn start(tx: Tx) -> Queue {
    let (sender, receiver) = mpsc::channel(QUEUE);
    #[expect(
        clippy::disallowed_methods,
        reason = "the writer ends with the store that owns it"
    )]
    tokio::spawn(write(tx, receiver));
    Queue(sender)
}

async fn write(mut tx: Tx, mut queue: mpsc::Receiver<Message>) {
    let mut gathered = Vec::with_capacity(SHARED_MAX);
    let mut stopped = None;
    while stopped.is_none() && queue.recv_many(&mut gathered, SHARED_MAX).await > 0 {
        join(&mut queue, &mut gathered).await;
        let mut asked = Gathered::default();
        for message in gathered.drain(..) {
            match message {
                Message::Verb(verb) => asked.verbs.push(verb),
                Message::GoOn(step) => asked.steps.push(step),
                Message::Finish(finish) => asked.finishes.push(*finish),
                Message::Stop(reply) => stopped = Some(reply),
            }
        }
        write_together(&mut tx, asked).await;
    }
    queue.close();
    let _ = sqlx::Connection::close(tx.into_conn()).await;
    if let Some(reply) = stopped {
        let _ = reply.send(());
    }
}

/// What shares one transaction, in the order in which it is written.
#[derive(Default)]
struct Gathered {
    verbs: Vec<Box<dyn Verb>>,
    steps: Vec<Box<dyn StepVerb>>,
    finishes: Vec<Finish>,
}

impl Gathered {
    fn count(&self) -> usize {
        self.verbs.len() + self.steps.len() + self.finishes.len()
    }
}

/// Lets in whoever is just about to ask, so that they share a transaction instead of waiting for
/// the next. A verb that comes alone waits for one round of the other tasks.
async fn join(queue: &mut mpsc::Receiver<Message>, gathered: &mut Vec<Message>) {
    let mut before = 0;
    while gathered.len() > before && gathered.len() < SHARED_MAX {
        before = gathered.len();
        tokio::task::yield_now().await;
        while gathered.len() < SHARED_MAX
            && let Ok(message) = queue.try_recv()
        {
            gathered.push(message);
        }
    }
}

async fn write_together(tx: &mut Tx, mut asked: Gathered) {
    let count = asked.count();
    if count == 0 {
        return;
    }
    let mut end = tx.begin(count > 1).await;
    if end.is_ok() {
        end = match run_all(tx, &mut asked).await {
            Ok(()) => tx.commit().await,
            refusal => refusal,
        };
        if end.is_err() {
            tx.roll_back().await;
        }
    }
    let end = match end {
        Ok(()) => Ok(()),
        Err(StoreError::Unavailable(why)) => Err(StoreError::Unavailable(why)),
        Err(other) => Err(StoreError::Unavailable(other.to_string())),
    };
    asked.verbs.into_iter().for_each(|verb| verb.answer(&end));
    asked.steps.into_iter().for_each(|step| step.answer(&end));
    for finish in asked.finishes {
        let _ = finish.reply.send(given(finish.answer, &end));
    }
}

/// Runs everything behind savepoints. An error here is the whole transaction's.
async fn run_all(tx: &mut Tx, asked: &mut Gathered) -> Result<()> {
    for verb in &mut asked.verbs {
        let end = verb.run(tx).await;
        settle(tx, end).await?;
    }
    go_on_all(tx, &mut asked.steps).await?;
    finish_all(tx, &mut asked.finishes).await
}

/// Runs the verbs of the journal together.
async fn go_on_all(tx: &mut Tx, steps: &mut [Box<dyn StepVerb>]) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let end = go_on(tx, steps).await;
    let is_alone = steps.len() == 1;
    match end {
        Err(error) if !matches!(error, StoreError::Unavailable(_)) => {
            settle(tx, Err(error.clone())).await?;
            if is_alone {
                steps[0].fail(&error);
                return Ok(());
            }
            for step in steps {
                let end = go_on(tx, std::slice::from_mut(step)).await;
                if let Err(error) = &end {
                    step.fail(error);
                }
                settle(tx, end).await?;
            }
            Ok(())
        }
        end => settle(tx, end).await,
    }
}

async fn go_on(tx: &mut Tx, steps: &mut [Box<dyn StepVerb>]) -> Result<()> {
    let abouts: Vec<About> = steps.iter().map(|step| step.about()).collect();
    let mut at = progress::load(tx, &abouts).await?;
    for step in steps {
        step.run(&mut at);
    }
    progress::write(tx, &at).await
}

/// Ends executions together.
async fn finish_all(tx: &mut Tx, finishes: &mut [Finish]) -> Result<()> {
    if finishes.is_empty() {
        return Ok(());
    }
    let asks: Vec<&FinishAsk> = finishes.iter().map(|finish| &finish.ask).collect();
    let answers = endings::finish_all(tx, &asks).await;
    match answers {
        Ok(answers) => {
            tx.keep();
            for (finish, answer) in finishes.iter_mut().zip(answers) {
                finish.answer = Some(answer);
            }
            Ok(())
        }
        Err(error) if finishes.len() == 1 => {
            finishes[0].answer = Some(Err(error.clone()));
            settle(tx, Err(error)).await
        }
        Err(error) => {
            settle(tx, Err(error)).await?;
            finish_one_by_one(tx, finishes).await
        }
    }
}

/// One of several that were written together failed: the others must not suffer for it.
async fn finish_one_by_one(tx: &mut Tx, finishes: &mut [Finish]) -> Result<()> {
    for finish in finishes {
        let answer = endings::finish_all(tx, &[&finish.ask]).await;
        let end = answer.as_ref().map(|_| ()).map_err(Clone::clone);
        finish.answer = Some(answer.and_then(|mut answers| {
            answers
                .pop()
                .unwrap_or_else(|| Err(StoreError::Corrupt("no answer".into())))
        }));
        settle(tx, end).await?;
    }
    Ok(())
}

/// Keeps or takes back what a verb wrote. An unavailable database has taken everything back, or
/// will not commit anyway.
async fn settle(tx: &mut Tx, end: Result<()>) -> Result<()> {
    match end {
        Ok(()) => {
            tx.keep();
            Ok(())
        }
        Err(error @ StoreError::Unavailable(_)) => Err(error),
        Err(_) => tx.take_back().await,
    }
}
