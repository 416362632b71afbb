import type { Failpoints, Runtime } from '../runtime.ts'
import type { DingTalkClient, Sent } from './client.ts'
import type { Directory, Target } from './directory.ts'
import type { Governor, Grant, Window } from './governor.ts'
import type { Parcel } from './parcels.ts'

/** A way for one parcel, and under which name the governor knows it. */
export type Way = Readonly<{
  channel: string
  window: Window
  isRepeatable: boolean
  /** The DingTalk user of a notice by its destination; null where the call goes to a group. */
  userOf(destination: string): string | null
  call(deadline: bigint, signal: AbortSignal): Promise<Sent>
}>

/** A call that ended, and what DingTalk said. */
export type EndedCall = Readonly<{ parcel: Parcel; way: Way; sent: Sent }>

/** Notices of a parcel to which the config names no way any more, each with the reason. */
export function lostOf(parcel: Parcel, directory: Directory): ReadonlyMap<string, string> {
  const lost = new Map<string, string>()
  for (const { notice } of parcel.open.values()) {
    const target = directory.target(notice.destination)
    if (target.kind === 'none') lost.set(notice.id, target.reason)
    else if (target.kind !== parcel.channel) lost.set(notice.id, 'The config now names another way to it')
  }
  return lost
}

/** The way of a parcel of which nothing is lost; null when it is empty. */
export function wayOf(parcel: Parcel, directory: Directory, client: DingTalkClient): Way | null {
  const notices = [...parcel.open.values()].map(({ notice }) => notice)
  const targets = new Map(notices.map(({ destination }) => [destination, directory.target(destination)]))
  const [first] = notices
  const target = first === undefined ? undefined : targets.get(first.destination)
  if (first === undefined || target === undefined) return null
  return wayTo(target, { first: first.id, targets, message: parcel.message, client })
}

/** DingTalk shuts a webhook for ten minutes after its 21st message within a minute. */
const WEBHOOK_WINDOW: Window = { calls: 20, ms: 60_000 }
/** 20 calls a second for each app and API in the standard edition. */
const APP_WINDOW: Window = { calls: 20, ms: 1_000 }

/** Name under which the governor knows a target; never shown, since a webhook's token is a credential. */
export function channelOf(target: Target): string {
  return target.kind === 'webhook' ? `webhook ${target.token}` : target.kind
}

/**
 * Makes a call whose `sending` is committed and hands its end to `ended`. What it throws (a failpoint, an incarnation
 * that is over) goes to `crashed`: the owner stops there.
 */
export async function makeCall(
  options: Readonly<{
    parcel: Parcel
    way: Way
    grant: Grant
    deadline: bigint
    signal: AbortSignal
    failpoints: Failpoints
    runtime: Pick<Runtime, 'mono'>
    ended(call: EndedCall): void
    crashed(error: unknown): void
  }>,
): Promise<void> {
  const { parcel, way, grant, failpoints } = options
  try {
    failpoints.hit('publisher.before-send')
    const sent = await way.call(options.deadline, options.signal)
    failpoints.hit('publisher.after-send')
    if (sent.kind === 'unreachable') grant.cancel()
    else grant.done()
    options.ended({ parcel, way, sent })
  } catch (error) {
    grant.done()
    options.crashed(error)
  }
}

/** Tells the governor how the channel fares; returns the pause in ms that the parcel has to keep. */
export function tellGovernor(governor: Governor, { way, sent }: EndedCall): number {
  switch (sent.kind) {
    case 'throttled':
      return governor.hold(way.channel, sent.waitMs)
    case 'unreachable':
      return governor.hold(way.channel, 1_000)
    default:
      governor.answered(way.channel)
      return 0
  }
}

function wayTo(
  target: Target,
  about: Readonly<{
    first: string
    targets: ReadonlyMap<string, Target>
    message: Parcel['message']
    client: DingTalkClient
  }>,
): Way | null {
  const { first, targets, message, client } = about
  const channel = channelOf(target)
  const alone = { channel, userOf: () => null }
  switch (target.kind) {
    case 'none':
      return null
    case 'app-group':
      return {
        ...alone,
        window: APP_WINDOW,
        isRepeatable: false,
        call: (deadline, signal) => client.sendToGroup(target.conversation, message, deadline, signal),
      }
    case 'webhook':
      return {
        ...alone,
        window: WEBHOOK_WINDOW,
        isRepeatable: true,
        call: (deadline, signal) => client.sendToWebhook(target, first, message, deadline, signal),
      }
    case 'app-person': {
      const userOf = (destination: string) => {
        const found = targets.get(destination)
        return found?.kind === 'app-person' ? found.userId : null
      }
      const users = new Set([...targets.keys()].map(userOf).filter((user) => user !== null))
      return {
        channel,
        userOf,
        window: APP_WINDOW,
        isRepeatable: false,
        call: (deadline, signal) => client.sendToUsers([...users], message, deadline, signal),
      }
    }
  }
}
