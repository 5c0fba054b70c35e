//! The tool servers of a world: one that honours effect ids, one tool that may be repeated, and one
//! that does what it is asked every time.

use async_trait::async_trait;
use heartbeat_domain::bot::Bot;
use heartbeat_domain::ids::{IdSource, ProjectId, ToolServerId};
use heartbeat_domain::tool::{ListedTool, Permission, Place, Repeat, Tool, ToolServer};
use heartbeat_store::verbs::NewToolServer;
use heartbeat_tools::{CallEnd, HandCall, Hands, HandsError, Server};
use jiff::Timestamp;
use serde_json::json;

use super::checks::effects;
use super::db::Db;
use super::gate::{Door, What};

/// What reaches the tool servers of a world.
pub(crate) struct Grip {
    /// The door of the process.
    pub(crate) door: Door,
    /// For looking at what is durable when a call arrives.
    pub(crate) db: Db,
}

/// What becomes of a call.
enum Fate {
    Refused,
    Answered,
    Lost,
}

#[async_trait]
impl Hands for Grip {
    fn check(&self, _server: &Server) -> Result<(), HandsError> {
        Ok(())
    }

    async fn list(&self, _server: &Server) -> Result<Vec<ListedTool>, HandsError> {
        Ok(Vec::new())
    }

    async fn call(&self, _server: &Server, call: &HandCall) -> CallEnd {
        let (fate, takes) = self.thrown();
        if matches!(fate, Fate::Refused) {
            return CallEnd::NotMade {
                message: "connection refused".to_owned(),
            };
        }
        let mut pass = self.door.wait(What::Outside("hand", i64::MIN)).await;
        effects::arrives(&self.door, &self.db, call).await;
        pass.happened().await;
        pass.seen();
        let ready = self.door.stage.time.real() + takes;
        self.door.pass(What::Outside("handed", ready)).await;
        match fate {
            Fate::Lost => CallEnd::Unknown {
                message: "the connection was cut".to_owned(),
            },
            _ => CallEnd::Answered {
                text: format!("{} is done", call.tool),
                is_error: false,
            },
        }
    }
}

impl Grip {
    fn thrown(&self) -> (Fate, i64) {
        let mut state = self.door.stage.lock();
        let failing = state.faults.outside;
        let dice = &mut state.dice;
        let takes = match dice.between(0, 9) {
            0 => dice.between(8_000, 90_000),
            _ => dice.between(5, 3_000),
        };
        let fate = match dice.in_thousand(failing) {
            true if dice.in_thousand(500) => Fate::Refused,
            true => Fate::Lost,
            false => Fate::Answered,
        };
        (fate, takes)
    }
}

/// Gives an agent its tool server.
pub(crate) async fn give(db: &Db, (project_id, bot): &(ProjectId, Bot), ids: &IdSource) {
    let now = Timestamp::UNIX_EPOCH;
    let server = ToolServer {
        id: ToolServerId::new(ids, bot.created_at),
        project_id: *project_id,
        bot_id: bot.id,
        label: "hand".to_owned(),
        place: Place::Http {
            url: "https://hand.example/mcp".to_owned(),
        },
        fresh: Permission::Allowed,
        header_names: Vec::new(),
        is_enabled: true,
        trusted: false,
        tools: [
            ("append", Repeat::Never),
            ("put", Repeat::ByEffectId),
            ("read", Repeat::Safe),
        ]
        .map(|(name, repeat)| tool(name, repeat))
        .to_vec(),
        trouble: None,
        created_at: now,
        updated_at: now,
    };
    let ask = NewToolServer {
        server,
        headers: Default::default(),
        cap: None,
    };
    let made = db.store.create_tool_server(&ask).await;
    made.expect("the scene can be set");
}

fn tool(name: &str, repeat: Repeat) -> Tool {
    Tool {
        listed: ListedTool {
            name: name.to_owned(),
            description: format!("Does {name}."),
            schema: json!({ "type": "object" }),
            annotations: Default::default(),
        },
        permission: Permission::Allowed,
        repeat: Some(repeat),
        changed: false,
    }
}
