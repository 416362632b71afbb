import type { Placed } from '../log/port.ts'
import { USERS_PER_CALL_MAX } from './client.ts'
import type { Message } from './messages.ts'
import type { ChannelKind, Notice } from './notice.ts'

/** An open notice and where its first record stands; null until that is committed. */
export type OpenNotice = { notice: Notice; placed: Placed | null }

/**
 * Open notices that go out in one call. `waits`: for its turn. `waits-out`: an earlier owner may be in the middle of
 * its call; when that can be no more, it is unknown. `under-way`: called.
 */
export type Parcel = {
  readonly channel: ChannelKind
  readonly message: Message
  readonly open: Map<string, OpenNotice>
  mode: 'waits' | 'waits-out' | 'under-way'
  /** ns of `mono`. */
  notBefore: bigint
  /** When it was first called by this process. */
  firstCalled: bigint | null
  /** Calls in a row after which nobody could say what happened. */
  unclearCalls: number
}

/** Parcels in the order of their events. Two parcels to one destination never change places. */
export type Parcels = Readonly<{
  /** Notices of one event, or of one record of the recovery, in the mode given. */
  add(open: readonly OpenNotice[], mode: Parcel['mode'], notBefore: bigint): readonly Parcel[]
  /** Parcels that nothing before them holds up and whose time has come. */
  ready(now: bigint): readonly Parcel[]
  /** The earliest `notBefore` after `now` of a parcel that nothing before it holds up. */
  nextDue(now: bigint): bigint | null
  /** Takes out what has ended. */
  sweep(): void
  /** Open notices. */
  count(): number
  /** The lowest offset of an open notice's first record in a partition of the notices topic. */
  floor(partition: number): number | null
}>

export function createParcels(): Parcels {
  let parcels: Parcel[] = []
  const unhindered = (): readonly Parcel[] => {
    const held = new Set<string>()
    return parcels.filter((parcel) => {
      const destinations = [...parcel.open.values()].map(({ notice }) => notice.destination)
      const isFirst = destinations.every((destination) => !held.has(destination))
      for (const destination of destinations) held.add(destination)
      return isFirst && parcel.mode !== 'under-way'
    })
  }
  return {
    add(open, mode, notBefore) {
      const added = [...Map.groupBy(open, ({ notice }) => notice.parcel).values()].flatMap((group) =>
        partsOf(group).map((part) => parcelOf(part, mode, notBefore)),
      )
      parcels.push(...added)
      return added
    },
    ready: (now) => unhindered().filter((parcel) => parcel.notBefore <= now),
    nextDue: (now) =>
      unhindered()
        .map((parcel) => parcel.notBefore)
        .filter((at) => at > now)
        .reduce<bigint | null>((least, at) => (least === null || at < least ? at : least), null),
    sweep() {
      parcels = parcels.filter((parcel) => parcel.open.size > 0)
    },
    count: () => parcels.reduce((sum, parcel) => sum + parcel.open.size, 0),
    floor: (partition) =>
      parcels
        .flatMap((parcel) => [...parcel.open.values()])
        .map(({ placed }) => (placed?.partition === partition ? placed.offset : null))
        .reduce<number | null>(
          (least, at) => (at === null ? least : least === null || at < least ? at : least),
          null,
        ),
  }
}

function partsOf(open: readonly OpenNotice[]): readonly (readonly OpenNotice[])[] {
  const count = Math.ceil(open.length / USERS_PER_CALL_MAX)
  return Array.from({ length: count }, (_, part) =>
    open.slice(part * USERS_PER_CALL_MAX, (part + 1) * USERS_PER_CALL_MAX),
  )
}

function parcelOf(open: readonly OpenNotice[], mode: Parcel['mode'], notBefore: bigint): Parcel {
  const first = open[0]?.notice
  return {
    channel: first?.channel ?? 'none',
    message: first?.message ?? { title: '', text: '' },
    open: new Map(open.map((tracked) => [tracked.notice.id, tracked])),
    mode,
    notBefore,
    firstCalled: null,
    unclearCalls: 0,
  }
}
