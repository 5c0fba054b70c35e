//! Checks at the moment at which a call reaches a tool server.

use heartbeat_tools::HandCall;

use super::super::db::Db;
use super::super::gate::Door;

/// A call arrives: it is written down, and one that may not be repeated arrives once.
pub(crate) async fn arrives(door: &Door, db: &Db, call: &HandCall) {
    let (tool, effect) = (&call.tool, &call.effect_id);
    let process = door.process;
    door.stage
        .say(&format!("p{process} calls {tool} for {effect}"));
    let sql = format!("SELECT COUNT(*) AS many FROM steps WHERE effect_id = '{effect}'");
    let written = db.row(sql).await.map_or(0, |row| row.number("many"));
    if written == 0 {
        let what = format!("p{process} calls {tool}, which is not written down");
        door.stage.find("intent", what);
    }
    let times = {
        let mut state = door.stage.lock();
        let times = state.memory.effects.entry(effect.clone()).or_default();
        *times += 1;
        *times
    };
    if tool == "append" && times > 1 {
        let what = format!("p{process} calls {tool} for {effect}, which arrived before");
        door.stage.find("effects", what);
    }
}
