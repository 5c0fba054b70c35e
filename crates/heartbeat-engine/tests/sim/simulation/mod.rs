//! Deterministic simulation: worlds of up to four nodes over one real SQLite, with a moved clock,
//! a scripted model, and everything that can go wrong going wrong, from a seed.
//!
//! Start reading at [`world`]; [`gate`] is how it keeps the order of everything, [`checks`] is what
//! must hold, [`sabotage`] is what the checks must find.

mod checks;
mod choose;
mod clock;
mod db;
mod dice;
mod faults;
mod gate;
mod hands;
mod hint;
mod kit;
mod ledger;
mod memory;
mod mind;
mod people;
mod process;
pub(crate) mod sabotage;
mod scene;
mod senses;
mod stage;
mod store;
mod trace;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use heartbeat_domain::ids::IdSource;

use self::db::Db;
pub(crate) use self::db::Kind;
use self::dice::Dice;
use self::faults::Faults;
use self::gate::Door;
use self::kit::Kit;
use self::process::{Slot, SlotState};
use self::sabotage::Sabotage;
use self::scene::Pace;
pub(crate) use self::stage::Finding;
use self::stage::Stage;
use self::world::World;

/// What to simulate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ask {
    /// The seed.
    pub(crate) seed: u64,
    /// How the engine is broken, if it is.
    pub(crate) broken: Option<Sabotage>,
    /// Whether to keep the history.
    pub(crate) trace: bool,
    /// Which kind of database the world has.
    pub(crate) kind: Kind,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// What must not be; empty if all is well.
    pub(crate) findings: Vec<Finding>,
    /// Hash of everything that happened.
    pub(crate) hash: u64,
    /// How many things happened.
    pub(crate) happened: u64,
    /// Executions that ended.
    pub(crate) ended: usize,
    /// Requests to the model.
    pub(crate) requests: u64,
    /// How often what happened, for judging how rich worlds are.
    pub(crate) tally: BTreeMap<String, u64>,
    /// The history, if it was asked for.
    pub(crate) lines: Vec<String>,
}

/// Lives through one world.
pub(crate) fn run(ask: Ask) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(live(ask))
}

async fn live(ask: Ask) -> Report {
    let mut dice = Dice::new(ask.seed);
    let faults = Faults::of(&mut dice, ask.broken.is_some());
    let begin = scene::beginning(&mut dice);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let ids = Arc::new(IdSource::from_seed(ask.seed));
    let db = Db::open(ask.kind, folder.path(), &ids).await;
    if let Some(broken) = ask.broken {
        broken.prepare(&db).await;
    }
    let stage = Stage::new(Dice::new(dice.throw()), faults, begin, ask.trace);
    let mut world = make(&stage, &db, (ids, ask.broken), &mut dice).await;
    world.live().await;
    drop(world);
    let tally = tally(&db).await;
    db.close().await;
    let state = stage.lock();
    Report {
        findings: state.findings.clone(),
        hash: state.trace.hash(),
        happened: state.trace.count(),
        ended: state.memory.ended.len(),
        requests: state.memory.requests,
        tally,
        lines: state.trace.lines().to_vec(),
    }
}

const TALLY: &str = "SELECT CASE status WHEN 'skipped' THEN 'skipped ' || reason ELSE status END \
    AS what, COUNT(*) AS many FROM executions WHERE status IS NOT NULL GROUP BY 1 \
    UNION ALL SELECT 'step ' || state, COUNT(*) FROM steps GROUP BY 1 \
    UNION ALL SELECT 'taken over', COUNT(*) FROM executions WHERE fence > 1 \
    UNION ALL SELECT triggered_by, COUNT(*) FROM executions GROUP BY 1 \
    UNION ALL SELECT 'turn cut', COUNT(*) FROM steps s JOIN executions e \
    ON e.project_id = s.project_id AND e.id = s.execution_id \
    WHERE s.state = 'lost_turn' AND s.fence = e.fence AND e.status = 'cancelled' \
    UNION ALL SELECT 'pause ' || reason, COUNT(*) FROM pauses GROUP BY 1 \
    UNION ALL SELECT state, COUNT(*) FROM deliveries GROUP BY 1";

async fn tally(db: &Db) -> BTreeMap<String, u64> {
    let mut tally = BTreeMap::new();
    for row in db.rows(TALLY).await {
        *tally.entry(row.text("what").to_owned()).or_default() += row.count("many");
    }
    tally
}

async fn make(
    stage: &Stage,
    db: &Db,
    (ids, broken): (Arc<IdSource>, Option<Sabotage>),
    dice: &mut Dice,
) -> World {
    let plans = scene::plans(dice);
    let kit = Kit::new(db.clone(), Arc::clone(&ids), plans, broken, dice);
    let door = Door {
        stage: stage.clone(),
        process: 0,
        clock: World::people_clock(stage),
    };
    let control = kit.control(&door);
    let pace = Pace::thrown(dice);
    let bots = scene::set(&control, dice, pace).await;
    for bot in &bots {
        hands::give(db, bot, &ids).await;
    }
    for project in control.store().projects().await.expect("the scene is set") {
        let plan = kit.plans().find(&project.plan).expect("it was set");
        stage.lock().ledger.limited(project.id, plan.spending());
    }
    let begin = stage.time.real();
    let skew = stage.lock().faults.skew_ms;
    let slots = (0..*dice.pick(&[1, 2, 2, 3, 4])).map(|number| Slot {
        name: format!("node {number}"),
        off_by: dice.between(-skew, skew),
        state: SlotState::Down(begin),
    });
    let slots: Vec<Slot> = slots.collect();
    let lasts = pace.lasts(dice);
    World {
        stage: stage.clone(),
        db: db.clone(),
        kit,
        slots,
        control,
        bots,
        pace,
        deeds: Vec::new(),
        deeds_begun: 0,
        person_at: begin + dice.between(1_000, lasts / 4),
        weather_at: begin + dice.between(1_000, lasts / 4),
        ends_at: begin + lasts,
        lasts,
        is_ending: false,
        processes: 1,
        hint: None,
        ahead: 2 * skew + 1_000,
    }
}
