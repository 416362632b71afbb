import type { Runtime } from '../runtime.ts'

/** No more than `calls` in any `ms`. */
export type Window = Readonly<{ calls: number; ms: number }>

/** A call that may go out now. It counts as under way until one of its two ends is called. */
export type Grant = Readonly<{
  /** The call was made; it counts from now for the length of the window. */
  done(): void
  /** The call was not made and does not count. */
  cancel(): void
}>

/**
 * How often each channel (a webhook, an API of the app) may be called. One governor serves all partitions of a
 * publisher. Time is monotone: a step of the wall clock neither opens nor closes anything.
 */
export type Governor = Readonly<{
  /** A grant, or from when (ns of `mono`) it is worth asking again; null: when a call under way has ended. */
  take(channel: string, window: Window): Readonly<{ grant: Grant } | { again: bigint | null }>
  /** The channel asked for a pause, or cannot be reached: `ms` or, by its row of strikes, longer. Returns the pause. */
  hold(channel: string, ms: number): number
  /** The channel answered: the row of strikes ends. */
  answered(channel: string): void
  /** A call that an earlier process made `ageMs` ago. */
  remember(channel: string, ageMs: number): void
}>

export function createGovernor(runtime: Pick<Runtime, 'mono' | 'float'>): Governor {
  const channels = new Map<string, Channel>()
  const channelOf = (name: string): Channel => {
    const known = channels.get(name)
    if (known !== undefined) return known
    const fresh: Channel = { underWay: 0, ended: [], heldUntil: 0n, strikes: 0 }
    channels.set(name, fresh)
    return fresh
  }
  return {
    take(name, window) {
      const channel = channelOf(name)
      const now = runtime.mono()
      if (now < channel.heldUntil) return { again: channel.heldUntil }
      // After a strike one call at a time finds out whether the channel is well again.
      if (channel.underWay >= (channel.strikes > 0 ? 1 : window.calls)) return { again: null }
      // A call is taken by DingTalk at some moment between its grant and its end, so a place is free again only when
      // the whole window has passed since the end. Then no window on DingTalk's side can hold one call too many.
      const length = BigInt(window.ms + MARGIN_MS) * MS
      channel.ended = channel.ended.filter((at) => now - at < length)
      if (channel.underWay + channel.ended.length >= window.calls) {
        const oldest = channel.ended[0]
        return { again: oldest === undefined ? null : oldest + length }
      }
      return { grant: grantOf(channel, runtime) }
    },
    hold(name, ms) {
      const channel = channelOf(name)
      const now = runtime.mono()
      // Calls that were under way together fail together; only the first of them is a new strike.
      if (now >= channel.heldUntil) channel.strikes = Math.min(channel.strikes + 1, STRIKES_MAX)
      const grown = Math.max(ms, Math.min(ms * 2 ** (channel.strikes - 1), GROWN_MS_MAX))
      const pauseMs = Math.ceil(grown * (1 + runtime.float() / 4))
      const until = now + BigInt(pauseMs) * MS
      if (until > channel.heldUntil) channel.heldUntil = until
      return pauseMs
    },
    answered(name) {
      channelOf(name).strikes = 0
    },
    remember(name, ageMs) {
      const channel = channelOf(name)
      channel.ended.push(runtime.mono() - BigInt(Math.ceil(ageMs)) * MS)
      channel.ended.sort((left, right) => (left < right ? -1 : 1))
    },
  }
}

const MS = 1_000_000n

/** Clocks of two machines run at slightly different speeds. */
const MARGIN_MS = 250

/** Pauses double from strike to strike, up to a minute where DingTalk did not ask for more. */
const GROWN_MS_MAX = 60_000
const STRIKES_MAX = 16

type Channel = { underWay: number; ended: bigint[]; heldUntil: bigint; strikes: number }

function grantOf(channel: Channel, runtime: Pick<Runtime, 'mono'>): Grant {
  channel.underWay += 1
  let isOpen = true
  const close = () => {
    if (!isOpen) return false
    isOpen = false
    channel.underWay -= 1
    return true
  }
  return {
    done: () => {
      if (close()) channel.ended.push(runtime.mono())
    },
    cancel: () => void close(),
  }
}
