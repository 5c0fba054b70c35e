//! Counts.

use heartbeat_domain::execution::{ExecutionType, Outcome};
use heartbeat_domain::reason::Reason;
use jiff::civil::date;

use crate::world::{World, failure, minute};

pub(crate) async fn counts_are_those_of_the_rows(w: &World) {
    let heartbeat = w.every(720, minute(0)).await;
    let node = w.node(minute(0)).await;
    let reason = Reason::WindowClosed;
    let outcomes = [
        Outcome::Success,
        failure(),
        Outcome::Skipped { reason },
        Outcome::Success,
    ];
    for (day, outcome) in outcomes.into_iter().enumerate() {
        let at = 720 * (i64::try_from(day).unwrap() + 1);
        w.renew(node, minute(at)).await;
        let claim = w.claim_one(node, minute(at)).await;
        w.finish(&claim.hold, outcome, minute(at + 1))
            .await
            .unwrap();
    }
    w.trigger(heartbeat.id, minute(2_900)).await.unwrap();
    w.trigger(heartbeat.id, minute(2_901)).await.unwrap();
    let stats = w
        .store
        .stats(w.project.id, w.bot.id, 30, minute(2_902))
        .await
        .unwrap();
    assert_eq!(
        (stats.all.success, stats.all.error, stats.all.skipped),
        (2, 1, 2)
    );
    assert_eq!(
        stats.all.total(),
        u64::try_from(w.ended().await.len()).unwrap()
    );
    assert_eq!(stats.all.duration_ms, 180_000);
    assert_eq!(stats.by_kind, [(ExecutionType::Heartbeat, stats.all)]);
    let days: Vec<_> = stats
        .by_day
        .iter()
        .map(|(day, counts)| (*day, counts.total()))
        .collect();
    let expected = [(25, 2), (24, 2), (23, 1)].map(|(day, n)| (date(2026, 11, day), n));
    assert_eq!(days, expected);
    assert_eq!(stats.active_heartbeats, 1);
    let today = w
        .store
        .stats(w.project.id, w.bot.id, 1, minute(2_902))
        .await
        .unwrap();
    assert_eq!(today.all.total(), 2);
}
