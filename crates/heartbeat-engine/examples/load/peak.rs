//! Fires a second with a backlog that does not end, beside bare SQL of the same rows.
//!
//! The two take turns on one database, so that whatever else the machine does hits both. Each turn
//! starts with nothing to tidy up and a slice of heartbeats that are due in an order by chance.

use std::sync::Arc;

use heartbeat_store::bare::{BareSession, BareWrites};
use serde_json::{Value, json};

use super::Fallible;
use super::account::Account;
use super::args::Args;
use super::bare_sql::{BareSql, How};
use super::figures::{Figures, float, median, progress};
use super::nodes::{Nodes, Split};
use super::population::{self, Does, Due};
use super::world::World;

/// Fires to a commit of bare SQL; the fastest is what counts.
const BATCHES: [usize; 4] = [100, 500, 1_000, 2_000];

/// Times that the engine and bare SQL take turns.
const ROUNDS: usize = 4;

/// What is measured twice: by the engine and in bare SQL.
#[derive(Clone, Copy)]
pub(crate) struct Race {
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
    /// Processor time of the server for a fire: of the engine, and in bare SQL.
    server_us: (Vec<f64>, Vec<f64>),
    /// Fires to a commit of bare SQL, and connections that write them.
    best: (usize, usize),
    split: Split,
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

impl Race {
    /// Fires whose watch finds nothing.
    pub(crate) fn empty(args: &Args) -> Self {
        Self {
            name: "empty",
            does: Does::Watches,
            fires: (args.heartbeats / 50).clamp(200, 25_000),
            target: match args.is_on_a_server() {
                true => "0.5 (aim 6,000/s)",
                false => "0.5 (aim 10,000/s)",
            },
        }
    }

    /// Fires of one turn and one call.
    pub(crate) fn journaled(args: &Args) -> Self {
        Self {
            name: "journaled",
            does: Does::Sessions,
            fires: (args.heartbeats / 125).clamp(160, 10_000),
            target: "0.5 (aim 2,000/s)",
        }
    }

    /// Heartbeats that all turns take together.
    pub(crate) fn takes(self, world: &World) -> u64 {
        let tries = BATCHES.len() + BareSql::numbers(world).len();
        // One turn of the engine, and the first of its numbers with each size of a batch.
        self.fires * u64::try_from(tries + 3 * ROUNDS).unwrap_or(u64::MAX)
    }

    fn counted(self, fires: u64, account: &mut Account) -> Fallible<()> {
        match self.does {
            Does::Watches => account.fired(fires),
            Does::Sessions => account.conversed(fires),
        }
    }
}

/// Lets the two take turns. The first turn warms up, statements and pages, and finds the best size of
/// a commit and the best number of connections in bare SQL. It does not count.
pub(crate) async fn measure(
    world: &World,
    args: &Args,
    race: Race,
    (figures, account): (&mut Figures, &mut Account),
) -> Fallible<()> {
    let mut bare = BareSql::open(world).await?;
    let mut paces = Paces::default();
    bare.tidy_up().await?;
    by_the_engine(world, args, (race, &mut paces), account).await?;
    let mut how = best(world, &mut bare, race, account).await?;
    paces = Paces {
        best: (how.batch, how.connections),
        ..Paces::default()
    };
    for round in 1..=ROUNDS {
        bare.tidy_up().await?;
        by_the_engine(world, args, (race, &mut paces), account).await?;
        how.session = Arc::new(session(world, race).await?);
        how.writes = BareWrites::Stages;
        let (stages, server_us) = in_bare_sql(world, &mut bare, (race, &how), account).await?;
        paces.server_us.1.extend(server_us);
        how.writes = BareWrites::FinalRows;
        let (final_rows, _) = in_bare_sql(world, &mut bare, (race, &how), account).await?;
        paces.stages.push(stages);
        paces.final_rows.push(final_rows);
        let (pace, cpu_us) = (last(&paces.engine), last(&paces.cpu_us));
        let name = race.name;
        progress(&format!(
            "  {name} {round}: {pace:.0}/s beside {stages:.0}/s, {cpu_us:.0} µs"
        ))?;
    }
    tell(race, &paces, args, figures);
    Ok(())
}

fn last(paces: &[f64]) -> f64 {
    paces.last().copied().unwrap_or(0.0)
}

/// How bare SQL is fastest.
async fn best(
    world: &World,
    bare: &mut BareSql,
    race: Race,
    account: &mut Account,
) -> Fallible<How> {
    let mut how = How {
        does: race.does,
        session: Arc::new(session(world, race).await?),
        writes: BareWrites::Stages,
        batch: BATCHES[0],
        connections: BareSql::numbers(world)[0],
    };
    let (mut best, mut fastest) = (how.clone(), 0.0);
    for batch in BATCHES {
        how.batch = batch;
        let (pace, _) = in_bare_sql(world, bare, (race, &how), account).await?;
        if pace > fastest {
            (best, fastest) = (how.clone(), pace);
        }
    }
    how = best.clone();
    for connections in &BareSql::numbers(world)[1..] {
        how.connections = *connections;
        let (pace, _) = in_bare_sql(world, bare, (race, &how), account).await?;
        if pace > fastest {
            (best, fastest) = (how.clone(), pace);
        }
    }
    Ok(best)
}

async fn by_the_engine(
    world: &World,
    args: &Args,
    (race, paces): (Race, &mut Paces),
    account: &mut Account,
) -> Fallible<()> {
    let mut nodes = Nodes::start(world, args).await?;
    let before = world.latest().await?;
    let fires = population::deal(world, race.fires, race.does, Due::Backlog).await?;
    race.counted(fires, account)?;
    let now = world.now().as_millisecond();
    let (cpu, of_server) = (nodes.usage().await?.cpu_ms, world.server_cpu_ms()?);
    nodes.wake().await?;
    population::done(world, now, 120).await?;
    let cpu = nodes.usage().await?.cpu_ms - cpu;
    let of_server = server_us(world, of_server, fires)?;
    paces.server_us.0.extend(of_server);
    nodes.stop().await?;
    let took = world
        .number(&format!(
            "SELECT MAX(finished_at) - MIN(created_at) AS a FROM executions \
             WHERE created_at > {before}"
        ))
        .await?;
    let took = float(u64::try_from(took)?.max(1)) / 1_000.0;
    paces.engine.push(float(fires) / took);
    paces.cpu_us.push(float(cpu) * 1_000.0 / float(fires));
    paces.split.add(Split::since(world, before).await?);
    Ok(())
}

async fn in_bare_sql(
    world: &World,
    bare: &mut BareSql,
    (race, how): (Race, &How),
    account: &mut Account,
) -> Fallible<(f64, Option<f64>)> {
    bare.tidy_up().await?;
    let dealt = population::deal(world, race.fires, race.does, Due::Backlog).await?;
    race.counted(dealt, account)?;
    let of_server = world.server_cpu_ms()?;
    let took = bare.write(world, race.fires, how).await?;
    let of_server = server_us(world, of_server, dealt)?;
    Ok((float(dealt) * 1_000.0 / took, of_server))
}

/// Processor time of the server for each fire since then, where it is known.
fn server_us(world: &World, before: Option<u64>, fires: u64) -> Fallible<Option<f64>> {
    let after = world.server_cpu_ms()?;
    let spent = before.zip(after).map(|(before, after)| after - before);
    Ok(spent.map(|spent| float(spent) * 1_000.0 / float(fires)))
}

/// What the engine's last session left in the journal, so that bare SQL writes texts as long.
async fn session(world: &World, race: Race) -> Fallible<BareSession> {
    if race.does == Does::Watches {
        return Ok(BareSession::default());
    }
    let execution = "(SELECT id FROM executions ORDER BY created_at DESC, id DESC LIMIT 1)";
    let steps = format!(
        "SELECT name, intent, result, tokens, micro_charged, micro_input_bound FROM steps \
         WHERE execution_id = {execution} ORDER BY seq"
    );
    let rows = world.db.rows(steps).await?;
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
    let response = world.db.rows(response).await?;
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

fn tell(race: Race, paces: &Paces, args: &Args, figures: &mut Figures) {
    let engine = median(&paces.engine);
    let (stages, rows) = (median(&paces.stages), median(&paces.final_rows));
    let ratios = (paces.ratio(&paces.stages), paces.ratio(&paces.final_rows));
    let name = race.name;
    let nodes = match args.nodes {
        1 => String::new(),
        nodes => format!(", {nodes} nodes together"),
    };
    let how = format!("median of {ROUNDS} backlogs of {}{nodes}", race.fires);
    figures.row(
        &format!("{name} fires"),
        format!("{engine:.0}/s"),
        ("", &how),
    );
    let (batch, connections) = paces.best;
    let how = format!(
        "{batch} fires a commit, the best of {BATCHES:?}, each stage durable; connections: {connections}"
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
        ("", "all cores together, without a server's"),
    );
    let (of_engine, of_bare) = (median(&paces.server_us.0), median(&paces.server_us.1));
    if !paces.server_us.0.is_empty() {
        let how = format!("all of its processes; {of_bare:.0} µs in bare SQL");
        let what = format!("{name}: CPU a fire, server");
        figures.row(&what, format!("{of_engine:.0} µs"), ("", &how));
    }
    paces.split.tell(name, args, figures);
    figures.value(
        name,
        json!({
            "fires_per_second": engine,
            "turns": paces.engine,
            "bare_same_writes": paces.stages,
            "bare_final_rows": paces.final_rows,
            "bare_batch": batch,
            "bare_connections": connections,
            "ratio_same_writes": ratios.0,
            "ratio_final_rows": ratios.1,
            "cpu_us": paces.cpu_us,
            "server_cpu_us": paces.server_us.0,
            "bare_server_cpu_us": paces.server_us.1,
        }),
    );
}
