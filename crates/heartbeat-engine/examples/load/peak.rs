//! Fires a second with a backlog that does not end, beside bare SQL of the same rows.
//!
//! The two take turns on one file, so that whatever else the machine does hits both. Each turn
//! starts with an empty write-ahead log and a slice of heartbeats that are due in an order by
//! chance.

use heartbeat_store::sqlite::{Bare, BareFire, BareSession, BareWrites};
use serde_json::{Value, json};

use super::Fallible;
use super::account::Account;
use super::args::Args;
use super::figures::{Figures, float, median, progress};
use super::population::{self, Does, Due};
use super::usage::Usage;
use super::world::{World, stopwatch};

/// Fires to a commit of bare SQL; the fastest is what counts.
const BATCHES: [usize; 4] = [100, 500, 1_000, 2_000];

/// Times that the engine and bare SQL take turns.
const ROUNDS: usize = 4;

/// What is measured twice: by the engine and in bare SQL.
#[derive(Clone, Copy)]
struct Race {
    name: &'static str,
    does: Does,
    /// Fires of a turn.
    fires: u64,
    target: &'static str,
}

/// Fires a second of every turn.
#[derive(Default)]
struct Paces {
    engine: Vec<f64>,
    stages: Vec<f64>,
    final_rows: Vec<f64>,
    cpu_us: Vec<f64>,
    /// Fires to a commit of bare SQL.
    batch: usize,
}

impl Paces {
    /// The middle of what the engine reached of what bare SQL reached right after it.
    fn ratio(&self, bare: &[f64]) -> f64 {
        let ratios = self
            .engine
            .iter()
            .zip(bare)
            .map(|(engine, bare)| engine / bare);
        median(&ratios.collect::<Vec<_>>())
    }
}

/// Fires whose watch finds nothing.
pub(crate) async fn empty(
    world: &World,
    args: &Args,
    kept: (&mut Figures, &mut Account),
) -> Fallible<()> {
    let race = Race {
        name: "empty",
        does: Does::Watches,
        fires: (args.heartbeats / 40).clamp(200, 25_000),
        target: "0.5 (aim 10,000/s)",
    };
    run(world, race, kept).await
}

/// Fires of one turn and one call.
pub(crate) async fn journaled(
    world: &World,
    args: &Args,
    kept: (&mut Figures, &mut Account),
) -> Fallible<()> {
    let race = Race {
        name: "journaled",
        does: Does::Sessions,
        fires: (args.heartbeats / 100).clamp(200, 10_000),
        target: "0.5 (aim 2,000/s)",
    };
    run(world, race, kept).await
}

async fn run(
    world: &World,
    race: Race,
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let mut bare = Bare::open(&world.path, std::sync::Arc::clone(&world.ids), world.now()).await?;
    let mut paces = Paces::default();
    let mut batch = BATCHES[0];
    let counted = |fires: u64, account: &mut Account| match race.does {
        Does::Watches => account.fired(fires),
        Does::Sessions => account.conversed(fires),
    };
    // The first turn warms up, statements and pages, and finds the best size of a commit in bare
    // SQL. It does not count.
    for round in 0..=ROUNDS {
        bare.checkpoint().await?;
        let (fires, pace, cpu_us) = by_the_engine(world, race).await?;
        counted(fires, account)?;
        let session = match race.does {
            Does::Watches => BareSession::default(),
            Does::Sessions => session(world).await?,
        };
        if round == 0 {
            let mut best = 0.0;
            for size in BATCHES {
                let how = (&session, BareWrites::Stages, size);
                let (fires, pace) = in_bare_sql(world, &mut bare, race, how).await?;
                counted(fires, account)?;
                if pace > best {
                    (best, batch) = (pace, size);
                }
            }
            paces.batch = batch;
            continue;
        }
        paces.engine.push(pace);
        paces.cpu_us.push(cpu_us);
        let how = (&session, BareWrites::Stages, batch);
        let (fires, stages) = in_bare_sql(world, &mut bare, race, how).await?;
        counted(fires, account)?;
        let how = (&session, BareWrites::FinalRows, batch);
        let (fires, final_rows) = in_bare_sql(world, &mut bare, race, how).await?;
        counted(fires, account)?;
        paces.stages.push(stages);
        paces.final_rows.push(final_rows);
        let name = race.name;
        progress(&format!(
            "  {name} {round}: {pace:.0}/s beside {stages:.0}/s, {cpu_us:.0} µs"
        ))?;
    }
    tell(race, &paces, figures);
    Ok(())
}

async fn by_the_engine(world: &World, race: Race) -> Fallible<(u64, f64, f64)> {
    let engine = world.start().await?;
    let before = world
        .number("SELECT COALESCE(MAX(rowid), 0) AS a FROM executions")
        .await?;
    let fires = population::deal(world, race.fires, race.does, Due::Backlog).await?;
    let now = world.now().as_millisecond();
    let cpu = Usage::of_this_process()?.cpu_ms;
    engine.wake();
    population::done(world, now, 120).await?;
    let cpu = Usage::of_this_process()?.cpu_ms - cpu;
    engine.stop().await?;
    let took = world
        .number(&format!(
            "SELECT MAX(finished_at) - MIN(created_at) AS a FROM executions WHERE rowid > {before}"
        ))
        .await?;
    let took = float(u64::try_from(took)?.max(1)) / 1_000.0;
    Ok((
        fires,
        float(fires) / took,
        float(cpu) * 1_000.0 / float(fires),
    ))
}

async fn in_bare_sql(
    world: &World,
    bare: &mut Bare,
    race: Race,
    (session, writes, batch): (&BareSession, BareWrites, usize),
) -> Fallible<(u64, f64)> {
    bare.checkpoint().await?;
    let dealt = population::deal(world, race.fires, race.does, Due::Backlog).await?;
    let mut fires = bare.due(u32::try_from(race.fires)?, world.now()).await?;
    for batch in fires.chunks_mut(batch) {
        batch.sort_unstable();
    }
    let passed = stopwatch();
    for batch in fires.chunks(batch) {
        write(world, bare, batch, (race, session, writes)).await?;
    }
    Ok((dealt, float(dealt) * 1_000.0 / passed()))
}

async fn write(
    world: &World,
    bare: &mut Bare,
    batch: &[BareFire],
    (race, session, writes): (Race, &BareSession, BareWrites),
) -> Fallible<()> {
    match race.does {
        Does::Watches => bare.empty(batch, writes, world.now()).await?,
        Does::Sessions => bare.journaled(batch, session, writes, world.now()).await?,
    }
    Ok(())
}

/// What the engine's last session left in the journal, so that bare SQL writes texts as long.
async fn session(world: &World) -> Fallible<BareSession> {
    let execution = "(SELECT id FROM executions ORDER BY rowid DESC LIMIT 1)";
    let steps = format!(
        "SELECT name, intent, result, tokens, micro_charged, micro_input_bound FROM steps \
         WHERE execution_id = {execution} ORDER BY seq"
    );
    let rows = world.store.query_json(steps).await?;
    let text = |row: usize, name: &str| -> String {
        let value = rows
            .get(row)
            .and_then(|row| row.get(name))
            .and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let number = |name: &str| {
        rows.get(1)
            .and_then(|row| row.get(name))
            .and_then(Value::as_i64)
    };
    let step = |row| (text(row, "name"), text(row, "intent"), text(row, "result"));
    let response = format!("SELECT response FROM executions WHERE id = {execution}");
    let response = world.store.query_json(response).await?;
    let response = response
        .first()
        .and_then(|row| row.get("response"))
        .and_then(Value::as_str);
    let drawn = number("micro_charged").ok_or("the engine's session left no turn")?;
    let bound = number("micro_input_bound").unwrap_or(0);
    Ok(BareSession {
        request: text(0, "intent"),
        turn: step(1),
        call: step(2),
        response: response.unwrap_or_default().to_owned(),
        tokens: number("tokens").unwrap_or(0),
        micro: (bound + 4_096_000, drawn),
    })
}

fn tell(race: Race, paces: &Paces, figures: &mut Figures) {
    let engine = median(&paces.engine);
    let (stages, rows) = (median(&paces.stages), median(&paces.final_rows));
    let ratios = (paces.ratio(&paces.stages), paces.ratio(&paces.final_rows));
    let name = race.name;
    let how = format!("median of {ROUNDS} backlogs of {}", race.fires);
    figures.row(
        &format!("{name} fires"),
        format!("{engine:.0}/s"),
        ("", &how),
    );
    let how = format!(
        "{} fires a commit, the best of {BATCHES:?}, each stage durable",
        paces.batch
    );
    figures.row(
        &format!("{name}: bare SQL, same writes"),
        format!("{stages:.0}/s"),
        ("", &how),
    );
    let how = "the same, final rows only, in one commit";
    figures.row(
        &format!("{name}: bare SQL, final rows"),
        format!("{rows:.0}/s"),
        ("", how),
    );
    let shown = format!("{:.2} ({:.2} of final rows)", ratios.0, ratios.1);
    let how = "median of the ratios of turns that followed one another";
    figures.row(&format!("{name}: ratio"), shown, (race.target, how));
    let cpu = format!("{:.0} µs", median(&paces.cpu_us));
    figures.row(
        &format!("{name}: CPU a fire"),
        cpu,
        ("", "both cores together"),
    );
    figures.value(
        name,
        json!({
            "fires_per_second": engine,
            "turns": paces.engine,
            "bare_same_writes": paces.stages,
            "bare_final_rows": paces.final_rows,
            "bare_batch": paces.batch,
            "ratio_same_writes": ratios.0,
            "ratio_final_rows": ratios.1,
            "cpu_us": paces.cpu_us,
        }),
    );
}
