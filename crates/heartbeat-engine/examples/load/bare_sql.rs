//! Bare SQL on the database under measure: connections that write what the engine writes.

use std::sync::Arc;

use heartbeat_domain::clock::Clock as _;
use heartbeat_engine::system_clock::SystemClock;
use heartbeat_store::bare::{BareFire, BareSession, BareWrites};
use heartbeat_store::{postgres, sqlite};
use tokio::task::JoinSet;

use super::Fallible;
use super::place::Place;
use super::population::Does;
use super::world::{World, stopwatch};

/// Numbers of connections that are tried on a server; the first with each size of a batch.
const ON_A_SERVER: [usize; 4] = [2, 1, 4, 8];

/// What is written, and how.
#[derive(Clone)]
pub(crate) struct How {
    pub(crate) does: Does,
    pub(crate) session: Arc<BareSession>,
    pub(crate) writes: BareWrites,
    /// Fires to a commit.
    pub(crate) batch: usize,
    /// Connections that write at the same time.
    pub(crate) connections: usize,
}

/// A connection.
enum Lane {
    File(sqlite::Bare),
    Server(postgres::Bare),
}

impl Lane {
    async fn open(world: &World) -> Fallible<Self> {
        let ids = Arc::clone(&world.ids);
        Ok(match &world.db.place {
            Place::File(path) => Self::File(sqlite::Bare::open(path, ids, world.now()).await?),
            Place::Server(url) => Self::Server(postgres::Bare::open(url, ids, world.now()).await?),
        })
    }

    async fn write(&mut self, fires: &[BareFire], how: &How, clock: &SystemClock) -> Fallible<()> {
        let (session, writes, now) = (&*how.session, how.writes, clock.now());
        match (self, how.does) {
            (Self::File(bare), Does::Watches) => bare.empty(fires, writes, now).await?,
            (Self::Server(bare), Does::Watches) => bare.empty(fires, writes, now).await?,
            (Self::File(bare), Does::Sessions) => {
                bare.journaled(fires, session, writes, now).await?;
            }
            (Self::Server(bare), Does::Sessions) => {
                bare.journaled(fires, session, writes, now).await?;
            }
        }
        Ok(())
    }

    async fn write_all(
        mut self,
        fires: Vec<BareFire>,
        (how, clock): (How, Arc<SystemClock>),
    ) -> Fallible<Self> {
        for batch in fires.chunks(how.batch) {
            self.write(batch, &how, &clock).await?;
        }
        Ok(self)
    }
}

/// As many connections as the best figure needs.
pub(crate) struct BareSql {
    lanes: Vec<Lane>,
}

impl BareSql {
    pub(crate) async fn open(world: &World) -> Fallible<Self> {
        let most = Self::numbers(world).iter().max().copied().unwrap_or(1);
        let mut lanes = Vec::with_capacity(most);
        for _ in 0..most {
            lanes.push(Lane::open(world).await?);
        }
        Ok(Self { lanes })
    }

    /// Numbers of connections to try. A file has one writer; on a server each has projects of its own.
    pub(crate) fn numbers(world: &World) -> Vec<usize> {
        let most = match &world.db.place {
            Place::File(_) => 1,
            Place::Server(_) => world.sizes.projects(),
        };
        ON_A_SERVER
            .into_iter()
            .filter(|number| *number <= most)
            .collect()
    }

    /// Leaves nothing behind that whoever writes next would pay for.
    pub(crate) async fn tidy_up(&mut self) -> Fallible<()> {
        match self.lanes.first_mut() {
            Some(Lane::File(bare)) => bare.tidy_up().await?,
            Some(Lane::Server(bare)) => bare.tidy_up().await?,
            None => {}
        }
        Ok(())
    }

    /// Writes all that is due, up to so many; answers how long that took, in milliseconds.
    pub(crate) async fn write(&mut self, world: &World, most: u64, how: &How) -> Fallible<f64> {
        let (most, now) = (u32::try_from(most)?, world.now());
        let fires = match self.lanes.first_mut().ok_or("there is no connection")? {
            Lane::File(bare) => bare.due(most, now).await?,
            Lane::Server(bare) => bare.due(most, now).await?,
        };
        let mut shares = BareFire::deal(fires, how.connections);
        for batch in shares
            .iter_mut()
            .flat_map(|share| share.chunks_mut(how.batch))
        {
            batch.sort_unstable();
        }
        let passed = stopwatch();
        let mut writing = JoinSet::new();
        for (lane, share) in self.lanes.drain(..shares.len()).zip(shares) {
            writing.spawn(lane.write_all(share, (how.clone(), world.clock())));
        }
        while let Some(lane) = writing.join_next().await {
            self.lanes.push(lane??);
        }
        Ok(passed())
    }
}

/// Times of durable commits of one row, one after another, for three seconds.
pub(crate) async fn commits(world: &World) -> Fallible<Vec<f64>> {
    let mut lane = match &world.db.place {
        // A file has one writer: on another file beside it, of the same disk.
        Place::File(path) => {
            let (path, ids) = (path.with_file_name("commits.db"), &world.ids);
            let options = sqlite::OpenOptions::default();
            let made = sqlite::SqliteStore::open(&path, Arc::clone(ids), options).await?;
            made.close().await;
            Lane::File(sqlite::Bare::open(&path, Arc::clone(ids), world.now()).await?)
        }
        Place::Server(_) => Lane::open(world).await?,
    };
    let (begun, mut times) = (stopwatch(), Vec::new());
    while begun() < 3_000.0 {
        let (passed, number) = (stopwatch(), i64::try_from(times.len())?);
        match &mut lane {
            Lane::File(bare) => bare.commit_one(number).await?,
            Lane::Server(bare) => bare.commit_one(number).await?,
        }
        times.push(passed());
    }
    Ok(times)
}
