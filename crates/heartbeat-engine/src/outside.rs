//! Calls of outside tools: a fresh look at rights and at the lease, then one call, once.
//!
//! Invariant: nothing is sent under a lease that has ended, nor with a right that was taken away.

use std::collections::HashMap;
use std::pin::pin;

use futures::future::{Either, select};
use heartbeat_agent::{Attempt, Halt, Made};
use heartbeat_domain::conversation::{ToolOutput, ToolSpec};
use heartbeat_domain::ids::{BotId, ToolServerId};
use heartbeat_domain::plan::Plan;
use heartbeat_domain::tool::{Permission, Tool, ToolServer};
use heartbeat_store::kill_point;
use heartbeat_store::verbs::{BotRef, Reachable};
use heartbeat_tools::{CallEnd, HandCall, Server, UrlBounds};
use jiff::SignedDuration;

use crate::belt::Handling;
use crate::journal::{effect_id, halt};
use crate::ledger::Ledger;
use crate::offer::Offered;
use crate::patience::patiently;
use crate::privacy::bounds;

/// How long a call waits for a lease that has run out to be renewed; a keeper renews every 3 s.
const LEASE_PATIENCE: SignedDuration = SignedDuration::from_secs(5);

const LOOK_AGAIN: SignedDuration = SignedDuration::from_millis(250);

/// The outside tools of one session.
pub(crate) struct Outside<'a> {
    pub(crate) ledger: &'a Ledger<'a>,
    pub(crate) bot_id: BotId,
    pub(crate) plan: &'a Plan,
    pub(crate) offered: Vec<Offered>,
    /// What the model was told of each, in the same order.
    pub(crate) specs: Vec<ToolSpec>,
}

/// An agent's servers as they are now.
type Servers = HashMap<ToolServerId, Reachable>;

impl Outside<'_> {
    /// The tool that the model knows by that name.
    pub(crate) fn find(&self, name: &str) -> Option<&Offered> {
        self.offered.iter().find(|offered| offered.name == name)
    }

    /// What may be done about calls of those tools if their answers are lost, as a person has
    /// decided by now.
    pub(crate) async fn handling(&self, tools: &[Option<&Offered>]) -> Result<Vec<Handling>, Halt> {
        if tools.iter().all(Option::is_none) {
            return Ok(vec![Handling::HARMLESS; tools.len()]);
        }
        let servers = self.servers().await?;
        let within = self.ledger.parts.settings.call_within;
        let handling = tools.iter().map(|offered| {
            let Some(offered) = offered else {
                return Handling::HARMLESS;
            };
            let server = servers.get(&offered.server_id).map(|found| &found.server);
            let tool = server.and_then(|server| listed(server, &offered.tool));
            let repeat = server
                .zip(tool)
                .map(|(server, tool)| tool.repeats(server.trusted));
            Handling {
                repeat: repeat.unwrap_or(heartbeat_domain::tool::Repeat::Never),
                within,
            }
        });
        Ok(handling.collect())
    }

    /// Makes a call, or says why not.
    pub(crate) async fn call(&self, offered: &Offered, attempt: Attempt<'_>) -> Result<Made, Halt> {
        let mut servers = self.servers().await?;
        let found = servers.remove(&offered.server_id);
        let (server, tool) = match self.allowed(offered, found) {
            Ok(allowed) => allowed,
            Err(why) => return Ok(self.not_made(attempt, &why)),
        };
        self.look_at_the_lease().await?;
        let (hold, within) = (&self.ledger.hold, self.ledger.parts.settings.call_within);
        let call = HandCall {
            tool: offered.tool.clone(),
            arguments: attempt.call.arguments.clone(),
            schema: tool.listed.schema,
            effect_id: effect_id(hold, attempt.seq),
            within: within.unsigned_abs(),
        };
        let waiter = &self.ledger.parts.waiter;
        let now = waiter.now();
        self.ledger.sending(attempt.seq, now);
        kill_point("engine:call_sending");
        let answer = pin!(self.ledger.parts.hands.call(&server, &call));
        let end = match select(answer, waiter.wait_until(now + within)).await {
            Either::Left((end, _)) => end,
            Either::Right(_) => CallEnd::Unknown {
                message: format!("no answer came within {within:#}"),
            },
        };
        Ok(self.made(attempt, end))
    }

    fn made(&self, attempt: Attempt<'_>, end: CallEnd) -> Made {
        match end {
            CallEnd::Answered { text, is_error } => Made::Answered(ToolOutput {
                text,
                is_error,
                outside: true,
                ..ToolOutput::default()
            }),
            CallEnd::NotMade { message } => self.not_made(attempt, &message),
            CallEnd::Unknown { message } => self.ledger.lost(attempt.seq, &message),
        }
    }

    /// A call that was certainly not made by us; a former holder may have made it all the same.
    fn not_made(&self, attempt: Attempt<'_>, why: &str) -> Made {
        if !attempt.is_repeat {
            let text = format!("The call was not made: {why}");
            return Made::Answered(ToolOutput::error(text));
        }
        let why = format!("its first answer was lost, and it could not be made again: {why}");
        self.ledger.lost(attempt.seq, &why)
    }

    /// The server and the tool, if it may be called now and is what the model was told it is.
    fn allowed(
        &self,
        offered: &Offered,
        found: Option<Reachable>,
    ) -> Result<(Server, Tool), String> {
        let label = &offered.label;
        let gone = || format!("the tool server {label:?} has been taken away or switched off");
        let found = found.ok_or_else(gone)?;
        let headers = found.headers.map_err(|_| {
            format!("the headers of the tool server {label:?} cannot be read; enter them again")
        })?;
        let server = found.server;
        let tool = listed(&server, &offered.tool).cloned();
        let tool = tool.ok_or_else(|| format!("{label:?} has no tool {:?} now", offered.tool))?;
        match tool.permission {
            Permission::Allowed => {}
            Permission::Off => return Err("a person has switched this tool off".to_owned()),
            Permission::Asks if tool.changed => {
                let why =
                    "the tool has changed since it was allowed; a person has to allow it anew";
                return Err(why.to_owned());
            }
            Permission::Asks => {
                let why =
                    "the tool needs a person's yes for every call, and nobody can be asked yet";
                return Err(why.to_owned());
            }
        }
        let known = self.specs.iter().find(|spec| spec.name == offered.name);
        if known.is_some_and(|spec| spec.schema != tool.listed.schema) {
            let why = "the tool has changed since this run began; the next run gets to know it";
            return Err(why.to_owned());
        }
        let reached = Server {
            id: server.id,
            project_id: server.project_id,
            place: server.place.clone(),
            headers: headers.pairs().to_vec(),
            allow_networks: self.plan.allow_networks.clone(),
            local_access: self.plan.local_access,
        };
        Ok((reached, tool))
    }

    /// The last look before the first byte: nothing is sent under a lease that has ended. A lease
    /// that nobody took over is renewed even late, so one that has run out is waited for a little.
    pub(crate) async fn look_at_the_lease(&self) -> Result<(), Halt> {
        let (keeper, waiter) = (self.ledger.keeper, &self.ledger.parts.waiter);
        let patience_ends = waiter.now() + LEASE_PATIENCE;
        loop {
            let now = waiter.now();
            if keeper.lost().is_cancelled() {
                return Err(Halt::Fenced);
            }
            if keeper.holds(now) {
                return Ok(());
            }
            if now >= patience_ends {
                let why = "the lease had ended before a call was sent";
                return Err(Halt::Unavailable(why.to_owned()));
            }
            waiter.wait_until(now + LOOK_AGAIN).await;
        }
    }

    /// A fresh look at where a page may be fetched from.
    pub(crate) async fn web_bounds(&self, reads_private: bool) -> Result<UrlBounds, Halt> {
        let parts = self.ledger.parts;
        let project_id = self.ledger.hold.project_id;
        let found = patiently(&*parts.waiter, || {
            parts.store.bot(project_id, BotRef::Id(self.bot_id))
        });
        let bot = found.await.map_err(halt)?;
        Ok(bounds(&bot, self.plan, reads_private))
    }

    /// A fresh look at the agent's servers.
    async fn servers(&self) -> Result<Servers, Halt> {
        let parts = self.ledger.parts;
        let project_id = self.ledger.hold.project_id;
        let found = patiently(&*parts.waiter, || {
            parts.store.reach(project_id, self.bot_id)
        });
        let found = found.await.map_err(halt)?;
        let by_id = found.into_iter().map(|found| (found.server.id, found));
        Ok(by_id.collect())
    }
}

fn listed<'s>(server: &'s ToolServer, tool: &str) -> Option<&'s Tool> {
    server.tools.iter().find(|known| known.listed.name == tool)
}
