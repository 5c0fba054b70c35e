//! One claim from admission to settlement.
//!
//! | stage | if the process dies here |
//! |---|---|
//! | admit | the next holder admits again |
//! | watch | nothing was written: the next holder looks again |
//! | session | the next holder replays the journal and goes on |
//! | finish | before its commit as above; after it everything is done |

use std::pin::pin;

use futures::future::{Either, select};
use heartbeat_agent::preamble::{
    Circumstances, EarlierRun, LastRun, Missed, WatchChange, first_request,
};
use heartbeat_agent::{Session, Toolbox};
use heartbeat_domain::admission::{Admission, admit};
use heartbeat_domain::claim::Claim;
use heartbeat_domain::conversation::{ToolSpec, TurnRequest};
use heartbeat_domain::execution::{Ending, Outcome};
use heartbeat_domain::heartbeat::Heartbeat;
use heartbeat_domain::plan::Plan;
use heartbeat_domain::reason::Reason;
use heartbeat_domain::step::Step;
use heartbeat_domain::tool::ToolServer;
use heartbeat_domain::watch::{Probe, Sighting, Watch};
use heartbeat_store::verbs::{PastRun, PastRuns, Result as StoreResult};
use heartbeat_store::{StoreError, kill_point};
use heartbeat_tools::UrlBounds;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Parts;
use crate::belt::Belt;
use crate::capabilities::Capabilities;
use crate::ending::{Stop, Whose, failed, of_session};
use crate::events::{Event, EventKind};
use crate::journal::{FireJournal, mark};
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::offer::{Offered, offers};
use crate::outside::Outside;
use crate::patience::patiently;
use crate::privacy::watch_bounds;
use crate::record::{Opening, Start, unreadable};
use crate::stopping::StopSign;
use crate::watcher::{look, notice, shown};

/// Earlier executions of the day that a session is told of; the newest are kept.
const THREAD_MAX: u32 = 24;

/// How a claim was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It ended and everything is on record.
    Finished,
    /// Another node has it, or it has ended otherwise.
    Lost,
    /// The store was unavailable: it is to be given back once it is not.
    GiveBack,
}

/// Carries out one claim under the lease of `keeper`, until `sign` is raised.
pub async fn carry_out(parts: &Parts, keeper: &Keeper, claim: &Claim, sign: &StopSign) -> Left {
    kill_point("engine:claimed");
    announce(parts, claim, EventKind::Started);
    let end = match to_the_end(parts, keeper, claim, sign).await {
        Ok(end) => end,
        Err(stop) => left(stop),
    };
    match end {
        Left::Lost => keeper.sends().confess(parts, Some(claim.hold)).await,
        Left::Finished | Left::GiveBack => keeper.sends().forget(claim.hold),
    }
    end
}

async fn to_the_end(
    parts: &Parts,
    keeper: &Keeper,
    claim: &Claim,
    sign: &StopSign,
) -> Result<Left, Stop> {
    let recorded = recorded_steps(parts, claim).await?;
    let run = Run {
        parts,
        claim,
        sign,
        ledger: Ledger::new(parts, keeper, claim.hold, &recorded),
        recorded,
    };
    let ending = run.ending().await?;
    run.ledger.close().await.map_err(stop)?;
    Ok(Box::pin(run.finish(ending)).await)
}

fn left(stop: Stop) -> Left {
    match stop {
        Stop::Fenced => Left::Lost,
        Stop::GiveBack => Left::GiveBack,
    }
}

/// What former holders left in the journal, with what was under way settled.
async fn recorded_steps(parts: &Parts, claim: &Claim) -> Result<Vec<Step>, Stop> {
    if !claim.taken_over {
        return Ok(Vec::new());
    }
    let Parts { store, waiter, .. } = parts;
    let steps = patiently(&**waiter, || store.take_over(&claim.hold, waiter.now()));
    steps.await.map_err(stop)
}

fn stop(error: StoreError) -> Stop {
    match error {
        StoreError::Fenced | StoreError::NotFound(_) => Stop::Fenced,
        other => {
            tracing::warn!(error = %other, "An execution is given back");
            Stop::GiveBack
        }
    }
}

fn announce(parts: &Parts, claim: &Claim, kind: EventKind) {
    parts.live.announce(Event {
        project_id: claim.hold.project_id,
        heartbeat_id: claim.execution.heartbeat_id,
        execution_id: Some(claim.hold.execution_id),
        kind,
    });
}

/// One claim being carried out.
struct Run<'a> {
    parts: &'a Parts,
    claim: &'a Claim,
    sign: &'a StopSign,
    recorded: Vec<Step>,
    ledger: Ledger<'a>,
}

impl Run<'_> {
    async fn ending(&self) -> Result<Ending, Stop> {
        // A former holder may have stopped on its way: what it left on record is not gone on with.
        if let Some(reason) = self.claim.execution.cancel_requested {
            return Ok(cancelled(reason));
        }
        let now = self.parts.waiter.now();
        let plan = self.parts.plans.find(&self.claim.project.plan);
        if self.recorded.is_empty()
            && let Some(ending) = self.refusal(plan, now)
        {
            return Ok(ending);
        }
        match (&self.claim.heartbeat, plan) {
            (Some(heartbeat), Some(plan)) => self.run(heartbeat, plan, now).await,
            (None, _) => Ok(cancelled(Reason::Deleted)),
            (_, None) => Ok(Ending::plain(Outcome::Skipped {
                reason: Reason::Plan,
            })),
        }
    }

    /// Admission; also a schedule that no longer makes sense.
    fn refusal(&self, plan: Option<&Plan>, now: Timestamp) -> Option<Ending> {
        let Some(heartbeat) = &self.claim.heartbeat else {
            return Some(cancelled(Reason::Deleted));
        };
        let schedule = match heartbeat.schedule() {
            Ok(schedule) => schedule,
            Err(violation) => return Some(failed(Reason::Internal, violation.to_string())),
        };
        match admit(self.claim, plan, &schedule, now) {
            Admission::Run => None,
            Admission::Skip(reason) => Some(Ending::plain(Outcome::Skipped { reason })),
            Admission::Cancel(reason) => Some(cancelled(reason)),
        }
    }

    async fn run(
        &self,
        heartbeat: &Heartbeat,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<Ending, Stop> {
        if let Some(seq) = unreadable(&self.recorded) {
            let message = format!("step {seq} on record cannot be read by this version");
            return Ok(failed(Reason::Internal, message));
        }
        if let Some(opening) = Opening::recorded(&self.recorded) {
            return self.converse(opening, plan).await;
        }
        let mut sighting = None;
        if let Some(watch) = &heartbeat.settings.watch {
            let bounds = self.watch_bounds(watch, plan).await?;
            let observe = &*self.parts.observe;
            let looked = pin!(look((observe, &bounds), heartbeat, watch, now));
            let seen = match select(pin!(self.sign.raised()), looked).await {
                Either::Left(_) => return Ok(self.stopped()),
                Either::Right((Ok(seen), _)) => seen,
                Either::Right((Err(error), _)) => {
                    return Ok(failed(Reason::WatchFailed, error.message));
                }
            };
            let Some(woken) = seen.sighting.clone() else {
                return Ok(Ending::plain(Outcome::Success));
            };
            if self.claim.execution.prompt.trim().is_empty() {
                return Ok(Ending {
                    notices: vec![notice(heartbeat, watch, &seen, &woken)],
                    baseline: Some(woken.baseline),
                    ..Ending::plain(Outcome::Success)
                });
            }
            sighting = Some(woken);
        }
        // Boxed, like the end: thousands of sessions wait, and none of them needs room for both.
        let opening = Box::pin(self.opening(heartbeat, plan, sighting)).await?;
        self.converse(opening, plan).await
    }

    async fn watch_bounds(&self, watch: &Watch, plan: &Plan) -> Result<UrlBounds, Stop> {
        let Parts { store, waiter, .. } = self.parts;
        let found = patiently(&**waiter, || {
            let bounds = watch_bounds(&**store, (&self.claim.bot, plan), watch);
            Box::pin(bounds)
        });
        found.await.map_err(stop)
    }

    /// The session, from the start or from where the journal left off.
    async fn converse(&self, opening: Opening, plan: &Plan) -> Result<Ending, Stop> {
        let Opening { request, start } = opening;
        let specs = request.tools.iter().filter(|spec| start.offers(&spec.name));
        let belt = self.belt(plan, (start.offered.clone(), specs.cloned().collect()));
        let mut journal = FireJournal::new((&self.ledger, &belt), start, &self.recorded);
        journal.sign = self.sign.clone();
        journal.heartbeat_id = self.claim.execution.heartbeat_id;
        let provider = match self.parts.models.provider(&request.model) {
            Ok(provider) => provider,
            Err(why) => return Ok(failed(Reason::ModelDenied, why)),
        };
        journal.rates = self.parts.models.rates(&request.model);
        journal.spending = plan.spending();
        let session = Session {
            journal: &journal,
            toolbox: &belt,
            provider: &*provider,
            waiter: &*self.parts.waiter,
            limits: &self.parts.settings.limits,
            seed: self.seed(),
            mark: &journal.start.mark,
        };
        let model = request.model.clone();
        let ended = session.run(request).await;
        if let heartbeat_agent::Ended::ModelDenied(error) = &ended {
            self.parts
                .models
                .mark_down(&model, &error.message, self.parts.waiter.now());
        }
        let label = provider.label();
        let whose = Whose {
            incidents: &self.parts.incidents,
            project_id: self.claim.hold.project_id,
            provider: &label,
        };
        let mut ending = of_session(ended, journal.circumstance(), whose)?;
        if ending.outcome == Outcome::Success {
            let sighting = journal.start.sighting;
            ending.baseline = sighting.map(|sighting| sighting.baseline);
        }
        Ok(ending)
    }

    /// Its end once the sign was raised.
    fn stopped(&self) -> Ending {
        cancelled(self.sign.reason().unwrap_or(Reason::ByPerson))
    }

    /// The tools of this run, those of servers as they were offered.
    fn belt<'b>(
        &'b self,
        plan: &'b Plan,
        (offered, specs): (Vec<Offered>, Vec<ToolSpec>),
    ) -> Belt<'b> {
        let reads_private = !offered.is_empty() || self.watches_a_file();
        let hosts = self.claim.bot.web_bounds(reads_private);
        let no_host = hosts.as_ref().is_some_and(Vec::is_empty);
        let web = self.parts.web.clone().filter(|_| !no_host);
        Belt {
            reads_private,
            built_in: Capabilities {
                observe: &*self.parts.observe,
                local_access: plan.local_access,
                web,
                hosts,
            },
            outside: Outside {
                ledger: &self.ledger,
                bot_id: self.claim.bot.id,
                plan,
                offered,
                specs,
            },
        }
    }

    /// Whether what a file holds may stand in the session's context.
    fn watches_a_file(&self) -> bool {
        let heartbeat = self.claim.heartbeat.as_ref();
        let watch = heartbeat.and_then(|heartbeat| heartbeat.settings.watch.as_ref());
        watch.is_some_and(|watch| watch.tool == Probe::File)
    }

    /// Step 0: everything with which the session starts.
    async fn opening(
        &self,
        heartbeat: &Heartbeat,
        plan: &Plan,
        sighting: Option<Sighting>,
    ) -> Result<Opening, Stop> {
        let Parts { store, waiter, .. } = self.parts;
        let key = (self.claim.hold.project_id, self.claim.bot.id);
        let found = patiently(&**waiter, || store.reach(key.0, key.1));
        let found = found.await.map_err(stop)?.into_iter();
        let servers = found.filter(|found| found.headers.is_ok());
        let servers: Vec<ToolServer> = servers.map(|found| found.server).collect();
        let built_in = self.belt(plan, (Vec::new(), Vec::new())).specs();
        let (offered, specs) = offers(&servers, &built_in).into_iter().unzip();
        let belt = self.belt(plan, (offered, specs));
        let mark = mark(self.parts);
        let request = self.first_request(heartbeat, &belt, (sighting.as_ref(), &mark));
        let request = request.await?;
        let offered = belt.outside.offered;
        let start = Start {
            sighting,
            mark,
            offered,
        };
        Ok(Opening { request, start })
    }

    /// The same execution jitters the same way, whoever carries it out.
    fn seed(&self) -> u64 {
        let id = self.claim.hold.execution_id.0.as_u128();
        u64::try_from(id & u128::from(u64::MAX)).unwrap_or_default()
    }

    async fn first_request(
        &self,
        heartbeat: &Heartbeat,
        belt: &Belt<'_>,
        (sighting, mark): (Option<&Sighting>, &str),
    ) -> Result<TurnRequest, Stop> {
        let zone = heartbeat
            .schedule()
            .map_or(TimeZone::UTC, |schedule| schedule.zone);
        let execution = &self.claim.execution;
        let past = self.history(heartbeat, &zone).await.map_err(stop)?;
        let settings = &heartbeat.settings;
        Ok(first_request(&Circumstances {
            instructions: self.claim.bot.instruction.clone(),
            agent_name: self.claim.bot.name.clone(),
            heartbeat_label: settings
                .label
                .clone()
                .unwrap_or_else(|| heartbeat.id.to_string()),
            now: execution.due_at.to_zoned(zone),
            last_run: past.last.map(last_run),
            missed: self.claim.missed.map(|missed| Missed {
                first: missed.first_due_at,
                last: missed.last_due_at,
                count: missed.count,
                reason: missed.reason.to_string(),
            }),
            memories: Vec::new(),
            earlier_today: past.thread.into_iter().map(earlier).collect(),
            thread_tokens_max: self.parts.settings.thread_tokens_max,
            watch: sighting.map(|sighting| WatchChange {
                before: sighting.before.as_ref().map(shown),
                after: shown(&sighting.after),
            }),
            prompt: execution.prompt.clone(),
            model: settings
                .run_model
                .clone()
                .unwrap_or_else(|| self.claim.bot.model.clone()),
            mark: belt.reads_outside().then(|| mark.to_owned()),
            tools: belt.specs(),
            max_tokens: self.parts.settings.limits.output_tokens,
        }))
    }

    /// Earlier executions of the local day of the due time, and the last run.
    async fn history(&self, heartbeat: &Heartbeat, zone: &TimeZone) -> StoreResult<PastRuns> {
        let Parts { store, waiter, .. } = self.parts;
        let due_at = self.claim.execution.due_at;
        let midnight = due_at.to_zoned(zone.clone()).start_of_day();
        let from = midnight.map_or(due_at, |midnight| midnight.timestamp());
        let project_id = self.claim.hold.project_id;
        patiently(&**waiter, || {
            store.past_runs(project_id, heartbeat.id, (from, due_at), THREAD_MAX)
        })
        .await
    }

    async fn finish(&self, ending: Ending) -> Left {
        let Parts {
            store,
            waiter,
            settings,
            ..
        } = self.parts;
        let status = ending.outcome.status().as_str();
        kill_point("engine:before_finish");
        let finished = patiently(&**waiter, || {
            store.finish(&self.claim.hold, &ending, &settings.channels, waiter.now())
        });
        match finished.await {
            Ok(settlement) => {
                kill_point("engine:after_finish");
                announce(self.parts, self.claim, EventKind::Ended { status });
                if !settlement.notices.is_empty() {
                    announce(self.parts, self.claim, EventKind::Notice);
                }
                Left::Finished
            }
            Err(error) => left(stop(error)),
        }
    }
}

fn cancelled(reason: Reason) -> Ending {
    Ending::plain(Outcome::Cancelled { reason })
}

fn earlier(run: PastRun) -> EarlierRun {
    EarlierRun {
        at: run.due_at,
        prompt: run.prompt,
        response: run.response,
    }
}

fn last_run(run: PastRun) -> LastRun {
    LastRun {
        at: run.due_at,
        outcome: run.status.as_str().to_owned(),
        summary: run.error_message.unwrap_or(run.response),
    }
}
