//! Nodes in one process that hear each other over a bell of their own.

use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use heartbeat_domain::ids::IdSource;
use tokio::sync::mpsc;

use super::*;
use crate::events::{EventKind, Onlooker, Seen};
use crate::system_clock::SystemClock;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where everybody hears everybody else.
#[derive(Debug, Default)]
struct Hall {
    listeners: Mutex<Vec<(usize, mpsc::Sender<Heard>)>>,
    said: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Seat(Arc<Hall>, usize);

#[async_trait]
impl Bell for Seat {
    fn ring(&self, line: String) {
        locked(&self.0.said).push(line.clone());
        for (seat, to) in &*locked(&self.0.listeners) {
            if *seat != self.1 {
                to.try_send(Heard::Line(line.clone())).unwrap();
            }
        }
    }

    fn ring_once(&self, line: &'static str) {
        self.ring(line.to_owned());
    }

    fn listen(&self) -> mpsc::Receiver<Heard> {
        let (to, heard) = mpsc::channel(1_000);
        locked(&self.0.listeners).push((self.1, to));
        heard
    }

    async fn say_the_rest(&self) {}
}

struct Node {
    live: Live,
    nudges: Nudges,
    clock: SystemClock,
}

impl Node {
    fn at(hall: &Arc<Hall>, seat: usize) -> Self {
        let bell: Arc<dyn Bell> = Arc::new(Seat(Arc::clone(hall), seat));
        Self {
            live: Live::among(Neighbours::by(Some(bell))),
            nudges: Nudges::default(),
            clock: SystemClock::default(),
        }
    }

    async fn follow(&self) {
        let never = CancellationToken::new();
        let here = (&self.live, &self.nudges);
        let neighbours = self.live.neighbours();
        neighbours.follow(&self.clock, here, &never).await;
    }
}

/// Two nodes; `test` runs while both hear each other.
async fn with_two<F>(test: impl FnOnce(Arc<Hall>, Arc<Node>, Arc<Node>) -> F)
where
    F: Future<Output = ()>,
{
    let hall = Arc::<Hall>::default();
    let one = Arc::new(Node::at(&hall, 1));
    let two = Arc::new(Node::at(&hall, 2));
    let test = test(Arc::clone(&hall), Arc::clone(&one), Arc::clone(&two));
    let run = async {
        tokio::select! {
            biased;
            () = one.follow() => panic!("it follows until it is stopped"),
            () = two.follow() => panic!("it follows until it is stopped"),
            () = test => {}
        }
    };
    tokio::time::timeout(PATIENCE, run)
        .await
        .expect("it comes to its end");
}

fn started(project_id: ProjectId) -> Event {
    Event {
        project_id,
        heartbeat_id: None,
        execution_id: None,
        kind: EventKind::Started,
    }
}

fn projects() -> (ProjectId, ProjectId) {
    let ids = IdSource::from_seed(1);
    let now = Timestamp::UNIX_EPOCH;
    (ProjectId::new(&ids, now), ProjectId::new(&ids, now))
}

async fn next(onlooker: &mut Onlooker) -> Seen {
    onlooker.next().await.expect("somebody announces")
}

#[tokio::test]
async fn what_happens_elsewhere_is_seen_by_whoever_looks_at_it_and_not_told_where_nobody_does() {
    let (watched, other) = projects();
    with_two(|hall, one, two| async move {
        two.live.announce(started(watched));
        assert!(locked(&hall.said).is_empty(), "nobody looks");
        let mut onlooker = one.live.look_at(watched);
        assert_eq!(
            next(&mut onlooker).await,
            Seen::Missed,
            "from here on it is told"
        );
        two.live.announce(started(other));
        two.live.announce(started(watched));
        assert_eq!(next(&mut onlooker).await, Seen::Event(started(watched)));
        let told = |project: ProjectId| {
            let line = format!("started {project} - -");
            locked(&hall.said)
                .iter()
                .filter(|one| **one == line)
                .count()
        };
        assert_eq!((told(watched), told(other)), (1, 0));
        one.live.announce(started(watched));
        assert_eq!(next(&mut onlooker).await, Seen::Event(started(watched)));
        assert_eq!(told(watched), 1, "nobody looks at it on the other node");
    })
    .await;
}

#[tokio::test]
async fn what_one_node_makes_due_or_stops_has_the_other_look() {
    with_two(|_, one, two| async move {
        one.live.neighbours().tell_due();
        two.nudges.due.notified().await;
        assert!(two.nudges.stop.notified().now_or_never().is_none());
        one.live.neighbours().tell_stop();
        two.nudges.stop.notified().await;
        assert!(one.nudges.due.notified().now_or_never().is_none());
    })
    .await;
}

#[tokio::test]
async fn whoever_may_have_missed_something_looks_and_says_again_what_is_watched() {
    let (watched, _) = projects();
    with_two(|hall, one, _two| async move {
        let mut onlooker = one.live.look_at(watched);
        assert_eq!(next(&mut onlooker).await, Seen::Missed);
        locked(&hall.said).clear();
        let (_, ear) = locked(&hall.listeners)[0].clone();
        ear.send(Heard::Gap).await.unwrap();
        one.nudges.due.notified().await;
        one.nudges.stop.notified().await;
        assert_eq!(next(&mut onlooker).await, Seen::Missed);
        assert_eq!(*locked(&hall.said), [format!("watching {watched}")]);
    })
    .await;
}

#[test]
fn many_who_have_something_to_say_cause_few_looks() {
    let nudges = Nudges::default();
    let start = Timestamp::UNIX_EPOCH;
    let at = |millis: i64| start + SignedDuration::from_millis(millis);
    let mut looks = Looks::new(&nudges, start);
    let mut nudged = Vec::new();
    for millis in 0..250 {
        looks.due = true;
        looks.nudge(at(millis));
        if nudges.due.notified().now_or_never().is_some() {
            nudged.push(millis);
        }
    }
    assert_eq!(nudged, [0, 100, 200]);
    assert_eq!(
        looks.next(at(9_000)),
        at(300),
        "the last one is not forgotten"
    );
    looks.nudge(at(300));
    assert_eq!(looks.next(at(9_000)), at(9_000));
}

#[test]
fn a_project_is_watched_until_the_last_onlooker_leaves() {
    let hall = Arc::<Hall>::default();
    let node = Node::at(&hall, 1);
    let (project, _) = projects();
    let Neighbours(Some(known)) = node.live.neighbours() else {
        panic!("it has neighbours")
    };
    let first = node.live.look_at(project);
    let second = node.live.look_at(project);
    drop(first);
    assert!(locked(&known.watched_here).contains_key(&project));
    drop(second);
    assert!(locked(&known.watched_here).is_empty());
}
