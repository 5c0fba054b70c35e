//! What processes of a world are made of: the real engine with everything outside replaced.

use std::sync::{Arc, Mutex, OnceLock};

use heartbeat_agent::Limits;
use heartbeat_domain::ids::IdSource;
use heartbeat_domain::plan::Plans;
use heartbeat_engine::Parts;
use heartbeat_engine::control::{Control, WatchChecks};
use heartbeat_engine::events::Live;
use heartbeat_engine::settings::EngineSettings;
use heartbeat_store::Store;
use heartbeat_store::verbs::Channel;
use heartbeat_tools::{AllowedHosts, LocalFiles, NoHands, Outgoing};
use jiff::SignedDuration;

use super::db::Db;
use super::dice::Dice;
use super::gate::Door;
use super::hands::Grip;
use super::mind::Mind;
use super::sabotage::Sabotage;
use super::senses::{Eyes, Post, waiter};
use super::store::SimStore;

/// The hosts that watches may look at; nobody ever connects to them.
static HOSTS: OnceLock<AllowedHosts> = OnceLock::new();

fn hosts() -> AllowedHosts {
    // An error says that it has been chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    AllowedHosts::new(vec!["world.example".to_owned()], Outgoing::default())
}

/// What all processes share.
#[derive(Clone)]
pub(crate) struct Kit {
    db: Db,
    ids: Arc<IdSource>,
    plans: Arc<Plans>,
    settings: Arc<EngineSettings>,
    /// Heartbeats that one transaction marks.
    settle_most: usize,
    broken: Option<Sabotage>,
}

impl Kit {
    /// A kit whose numbers are thrown.
    pub(crate) fn new(
        db: Db,
        ids: Arc<IdSource>,
        plans: Plans,
        broken: Option<Sabotage>,
        dice: &mut Dice,
    ) -> Self {
        let channels = match dice.in_thousand(700) {
            true => vec![Channel::Webhook],
            false => Vec::new(),
        };
        let settings = EngineSettings {
            slots: *dice.pick(&[1, 2, 4, 1_000]),
            claims_per_beat: *dice.pick(&[1, 3, 500]),
            limits: Limits {
                turns: 4,
                wall: SignedDuration::from_mins(dice.between(1, 5)),
                ..Limits::default()
            },
            channels,
            budget_patience: SignedDuration::from_secs(dice.between(0, 4)),
            ..EngineSettings::default()
        };
        Self {
            db,
            ids,
            plans: Arc::new(plans),
            settings: Arc::new(settings),
            settle_most: *dice.pick(&[1, 2, 1_000]),
            broken,
        }
    }

    /// The plans.
    pub(crate) fn plans(&self) -> &Plans {
        &self.plans
    }

    fn store(&self, door: &Door) -> Arc<dyn Store> {
        Arc::new(SimStore {
            door: door.clone(),
            db: self.db.clone(),
            broken: self.broken,
            unwritten: Mutex::default(),
        })
    }

    /// The parts of a node behind that door.
    pub(crate) fn parts(&self, door: &Door) -> Parts {
        Parts {
            store: self.store(door),
            waiter: waiter(door),
            ids: Arc::clone(&self.ids),
            models: Arc::new(Mind {
                door: door.clone(),
                db: self.db.clone(),
            }),
            hands: Arc::new(Grip {
                door: door.clone(),
                db: self.db.clone(),
            }),
            web: None,
            observe: Arc::new(Eyes {
                door: door.clone(),
                db: self.db.clone(),
            }),
            incidents: heartbeat_engine::incidents::Incidents::default(),
            carrier: Arc::new(Post(door.clone())),
            plans: Arc::clone(&self.plans),
            settings: Arc::clone(&self.settings),
            live: Live::default(),
        }
    }

    /// What people act through.
    pub(crate) fn control(&self, door: &Door) -> Control {
        let checks = WatchChecks {
            files: LocalFiles::new(Vec::new(), Vec::new()),
            hosts: HOSTS.get_or_init(hosts).clone(),
        };
        Control::new(
            self.store(door),
            (waiter(door), Arc::clone(&self.ids)),
            Arc::clone(&self.plans),
            (Arc::new(checks), Arc::new(NoHands)),
            Arc::default(),
        )
        .settling_at_most(self.settle_most)
    }
}
