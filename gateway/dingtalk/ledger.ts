import type { Commit, Draft, GroupPosition, TopicPartition, Writer } from '../log/port.ts'
import { TOPICS } from '../topics.ts'
import { encodeNotice, type Notice } from './notice.ts'
import type { OpenNotice, Parcels } from './parcels.ts'
import type { Recovered } from './recovery.ts'

/** Collects what the next transaction of an input partition says, and says it. */
export type Ledger = Readonly<{
  /** How a notice stands from the next transaction on; several steps between two transactions are one. */
  put(notice: Notice, open: OpenNotice | null): void
  /** Whether notices wait to be written. */
  isDirty(): boolean
  /** Whether the input position has gone beyond the committed one. */
  hasMoved(position: number): boolean
  /** How many records a start would have to read more than it needs. */
  slack(): number
  /** Everything before these positions of the notices topic is older than the next transaction. */
  reach(partition: number, end: number): void
  /** One transaction: the notices put, the input position, and the lowest places of open notices. */
  commit(position: number, signal: AbortSignal): Promise<Committed>
}>

/** `written`: what the transaction said of notices. */
export type Committed =
  | Readonly<{ kind: 'committed'; written: readonly Notice[] }>
  | Exclude<Commit, { kind: 'committed' }>

export function createLedger(
  options: Readonly<{
    writer: Writer
    input: TopicPartition
    group: string
    openGroup: string
    position: number | null
    recovered: Pick<Recovered, 'frontier' | 'committed'>
    parcels: Parcels
  }>,
): Ledger {
  const { writer, input, group, openGroup, parcels } = options
  const puts = new Map<string, Readonly<{ notice: Notice; open: OpenNotice | null }>>()
  const frontier = new Map(options.recovered.frontier)
  const committedOpen = new Map(options.recovered.committed)
  let committed = options.position
  const floorOf = (partition: number) => parcels.floor(partition) ?? frontier.get(partition) ?? 0
  const moves = (position: number): readonly GroupPosition[] => {
    const own = committed === position ? [] : [{ group, ...input, position }]
    const open = [...frontier.keys()]
      .map((partition) => ({
        group: openGroup,
        topic: TOPICS.notices,
        partition,
        position: floorOf(partition),
      }))
      .filter(({ partition, position: floor }) => committedOpen.get(partition) !== floor)
    return [...own, ...open]
  }
  const apply = (
    position: number,
    moved: readonly GroupPosition[],
    placed: readonly { partition: number; offset: number }[],
  ) => {
    committed = position
    for (const move of moved) if (move.group === openGroup) committedOpen.set(move.partition, move.position)
    for (const [place, { open }] of [...puts.values()].entries()) {
      const at = placed[place]
      if (at === undefined) continue
      if (open !== null) open.placed ??= at
      frontier.set(at.partition, Math.max(frontier.get(at.partition) ?? 0, at.offset + 1))
    }
    const written = [...puts.values()].map(({ notice }) => notice)
    puts.clear()
    return written
  }
  return {
    put: (notice, open) => void puts.set(notice.id, { notice, open }),
    isDirty: () => puts.size > 0,
    hasMoved: (position) => committed !== position,
    slack: () =>
      [...frontier.keys()].reduce(
        (sum, partition) => sum + floorOf(partition) - (committedOpen.get(partition) ?? floorOf(partition)),
        0,
      ),
    reach: (partition, end) => void frontier.set(partition, Math.max(frontier.get(partition) ?? 0, end)),
    async commit(position, signal) {
      const records = [...puts.values()].map(draftOf)
      const positions = moves(position)
      if (records.length === 0 && positions.length === 0) return { kind: 'committed', written: [] }
      const commit = await writer.transact({ records, positions }, signal)
      if (commit.kind !== 'committed') return commit
      return { kind: 'committed', written: apply(position, positions, commit.placed) }
    },
  }
}

/** Only the first record of a notice holds its message. */
function draftOf({ notice, open }: Readonly<{ notice: Notice; open: OpenNotice | null }>): Draft {
  const isFirst = open === null || open.placed === null
  return {
    topic: TOPICS.notices,
    key: notice.id,
    value: encodeNotice(isFirst ? notice : { ...notice, message: null }),
  }
}
