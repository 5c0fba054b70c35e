//! What people do, at any time and in any order; most of it is refused for a good reason.

use heartbeat_domain::bot::{Bot, BotChange};
use heartbeat_domain::heartbeat::{HeartbeatChange, Patch};
use heartbeat_domain::ids::ProjectId;
use heartbeat_engine::control::Control;
use heartbeat_store::verbs::{BotRef, HeartbeatKey, Reach};
use jiff::SignedDuration;

use super::dice::Dice;
use super::scene::{self, Pace, small};

/// Something that somebody does.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Makes a heartbeat.
    Make(ProjectId, BotRef, Box<HeartbeatChange>),
    /// Edits one.
    Edit(HeartbeatKey, Box<HeartbeatChange>),
    /// Enables one.
    Enable(HeartbeatKey),
    /// Disables one.
    Disable(HeartbeatKey),
    /// Deletes one.
    Delete(HeartbeatKey),
    /// Cancels its run.
    Cancel(HeartbeatKey),
    /// Triggers it.
    Trigger(HeartbeatKey),
    /// Flips switches of an agent.
    Switch(ProjectId, BotRef, BotChange),
    /// Deletes an agent.
    DeleteBot(ProjectId, BotRef),
    /// Stops everything within reach.
    Pause(Reach),
    /// Lets it go on.
    Resume(Reach),
    /// Stops everything within reach for a while.
    Halt(Reach, SignedDuration),
    /// Moves a project to another plan.
    Plan(ProjectId, &'static str),
}

/// Throws what somebody does next.
pub(crate) fn deed(
    dice: &mut Dice,
    (pace, number): (Pace, u64),
    bots: &[(ProjectId, Bot)],
    heartbeats: &[HeartbeatKey],
) -> Deed {
    let (project, bot) = dice.pick(bots).clone();
    let bot = BotRef::Id(bot.id);
    let key = match heartbeats.is_empty() {
        true => {
            return Deed::Make(
                project,
                bot,
                Box::new(scene::heartbeat(dice, pace, &format!("d{number}"))),
            );
        }
        false => *dice.pick(heartbeats),
    };
    match dice.between(0, 39) {
        0 | 1 => {
            let change = scene::heartbeat(dice, pace, &format!("d{number}"));
            Deed::Make(project, bot, Box::new(change))
        }
        2..=8 => Deed::Edit(key, Box::new(edit(dice, pace))),
        9..=12 => Deed::Enable(key),
        13..=15 => Deed::Disable(key),
        16 => Deed::Delete(key),
        17..=19 => Deed::Cancel(key),
        20..=27 => Deed::Trigger(key),
        28..=31 => Deed::Switch(project, bot, switch(dice)),
        32 if dice.in_thousand(200) => Deed::DeleteBot(project, bot),
        33 | 34 => Deed::Pause(reach(dice, project, &bots_of(bots, project))),
        35..=37 => Deed::Resume(reach(dice, project, &bots_of(bots, project))),
        38 => Deed::Plan(project, dice.pick::<&str>(&scene::PLANS)),
        _ => Deed::Plan(project, "self_hosted"),
    }
}

/// Throws what somebody of that project does who has seen enough: stops everything, or much, for a
/// while.
pub(crate) fn impatience(dice: &mut Dice, bots: &[(ProjectId, Bot)], project: ProjectId) -> Deed {
    let reach = reach(dice, project, &bots_of(bots, project));
    Deed::Halt(reach, SignedDuration::from_secs(dice.between(1, 400)))
}

fn bots_of(bots: &[(ProjectId, Bot)], project: ProjectId) -> Vec<Bot> {
    let own = bots.iter().filter(|(its, _)| *its == project);
    own.map(|(_, bot)| bot.clone()).collect()
}

fn reach(dice: &mut Dice, project: ProjectId, bots: &[Bot]) -> Reach {
    match dice.between(0, 5) {
        0 => Reach::All,
        1..=3 => Reach::Project(project),
        _ => Reach::Bot(project, dice.pick(bots).id),
    }
}

fn switch(dice: &mut Dice) -> BotChange {
    let on = Some(!dice.in_thousand(350));
    match dice.in_thousand(300) {
        true => BotChange {
            status: on,
            ..BotChange::default()
        },
        false => BotChange {
            heartbeat: on,
            ..BotChange::default()
        },
    }
}

fn edit(dice: &mut Dice, pace: Pace) -> HeartbeatChange {
    let mut change = HeartbeatChange::default();
    match dice.between(0, 6) {
        0 | 1 => scene::schedule(dice, pace, &mut change),
        2 => change.credit_budget = Patch::Set(dice.between(0, 120).unsigned_abs()),
        3 => change.max_consecutive_errors = Patch::Set(small(dice.between(1, 4))),
        4 => change.enabled = Some(dice.in_thousand(600)),
        5 => {
            scene::schedule(dice, pace, &mut change);
            change.enabled = Some(true);
        }
        _ => change.label = Patch::Set("renamed".to_owned()),
    }
    change
}

/// Does it; answers what came of it.
pub(crate) async fn carry_through(control: Control, deed: Deed) -> String {
    fn told<T>(answer: Result<T, heartbeat_store::StoreError>) -> String {
        answer.map_or_else(|error| error.to_string(), |_| "done".to_owned())
    }
    match deed {
        Deed::Make(project, bot, change) => {
            told(control.configure(project, bot, None, *change).await)
        }
        Deed::Edit(key, change) => {
            let bot = BotRef::Id(key.bot_id);
            told(
                control
                    .configure(key.project_id, bot, Some(key.id), *change)
                    .await,
            )
        }
        Deed::Enable(key) => told(control.enable(key).await),
        Deed::Disable(key) => told(control.disable(key).await),
        Deed::Delete(key) => told(control.delete(key).await),
        Deed::Cancel(key) => told(control.cancel(key).await),
        Deed::Trigger(key) => told(control.trigger(key, SignedDuration::ZERO).await),
        Deed::Switch(project, bot, change) => told(control.update_bot(project, bot, change).await),
        Deed::DeleteBot(project, bot) => told(control.delete_bot(project, bot).await),
        Deed::Pause(reach) => told(control.pause(reach).await),
        Deed::Resume(reach) => told(control.resume(reach).await),
        Deed::Halt(reach, lasts) => {
            let stopped = told(control.pause(reach).await);
            control.wait_until(control.now() + lasts).await;
            format!("{stopped}, then {}", told(control.resume(reach).await))
        }
        Deed::Plan(project, plan) => told(control.set_plan(project, plan).await),
    }
}
