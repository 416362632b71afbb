import type { Assignment, Chunk, TopicPartition } from './port.ts'

/** What a member does with a partition that it owns. */
export interface GroupAccess {
  position(group: string, partition: TopicPartition): Promise<number | null>
  /** Follows the partition until the signal aborts. */
  follow(partition: TopicPartition, from: number, signal: AbortSignal): AsyncIterable<Chunk>
}

/** Groups whose members all live in one process: no server, no time-outs, the dealer sees every member. */
export interface Groups {
  /** Joins when the first assignment is asked for, leaves when the signal aborts or the iteration is left. */
  join(group: string, partitions: readonly TopicPartition[], signal: AbortSignal): AsyncIterable<Assignment>
  /** Revokes everything and deals it anew, as a server does when a member was not heard of. */
  rebalance(): void
}

export function createGroups(access: GroupAccess): Groups {
  const groups = new Map<string, Member[]>()
  const dealing = new Map<string, 'once' | 'again'>()
  // Aborting an assignment runs its owner's listeners, which may leave the group in the middle of a deal.
  const deal = (group: string) => {
    const isDealing = dealing.has(group)
    dealing.set(group, isDealing ? 'again' : 'once')
    if (isDealing) return
    do {
      dealing.set(group, 'once')
      dealAnew(groups.get(group) ?? [], (at, owner) => assign(access, group, at, owner))
    } while (dealing.get(group) === 'again')
    dealing.delete(group)
  }
  return {
    async *join(group, partitions, signal) {
      const member: Member = {
        wanted: partitions,
        owned: new Map(),
        arrived: [],
        hasLeft: false,
        wake: () => undefined,
      }
      const leave = () => {
        if (member.hasLeft) return
        member.hasLeft = true
        const others = (groups.get(group) ?? []).filter((other) => other !== member)
        if (others.length === 0) groups.delete(group)
        else groups.set(group, others)
        for (const owner of member.owned.values()) owner.abort(revoked('the member left'))
        member.wake()
        deal(group)
      }
      signal.throwIfAborted()
      groups.set(group, [...(groups.get(group) ?? []), member])
      signal.addEventListener('abort', leave, { once: true })
      try {
        deal(group)
        while (!signal.aborted) {
          const assignment = member.arrived.shift()
          if (assignment === undefined) await new Promise<void>((resolve) => (member.wake = resolve))
          else if (!assignment.signal.aborted) yield assignment
        }
      } finally {
        signal.removeEventListener('abort', leave)
        leave()
      }
    },
    rebalance() {
      for (const [group, members] of [...groups]) {
        for (const member of members) {
          for (const owner of member.owned.values()) owner.abort(revoked('of a rebalance'))
          member.owned.clear()
        }
        // The order of the members decides who gets what: moving the first to the end moves the partitions.
        groups.set(group, [...members.slice(1), ...members.slice(0, 1)])
        deal(group)
      }
    },
  }
}

type Member = {
  readonly wanted: readonly TopicPartition[]
  readonly owned: Map<string, AbortController>
  /** Assignments that the member has not taken yet; never more than it has partitions, stale ones aside. */
  arrived: Assignment[]
  hasLeft: boolean
  wake: () => void
}

function assign(access: GroupAccess, group: string, at: TopicPartition, owner: AbortController): Assignment {
  return {
    topic: at.topic,
    partition: at.partition,
    signal: owner.signal,
    position: () => access.position(group, at),
    read: (from) => access.follow(at, from, owner.signal),
  }
}

function revoked(why: string): DOMException {
  return new DOMException(`The partition was taken from this member because ${why}.`, 'AbortError')
}

/**
 * Every partition goes to one member that wants it, as evenly as that allows, and stays where it is otherwise. All
 * that is taken away is taken before anything is given: no partition ever has two owners.
 */
function dealAnew(
  members: readonly Member[],
  make: (at: TopicPartition, owner: AbortController) => Assignment,
): void {
  const plan = planOf(members)
  for (const [member, wanted] of plan) {
    for (const [name, owner] of [...member.owned]) {
      if (wanted.has(name)) continue
      member.owned.delete(name)
      owner.abort(revoked('another member joined'))
    }
  }
  for (const [member, wanted] of plan) {
    if (member.hasLeft) continue
    member.arrived = member.arrived.filter((assignment) => !assignment.signal.aborted)
    for (const [name, at] of wanted) {
      if (member.owned.has(name)) continue
      const owner = new AbortController()
      member.owned.set(name, owner)
      member.arrived.push(make(at, owner))
    }
    member.wake()
  }
}

function planOf(members: readonly Member[]): ReadonlyMap<Member, Map<string, TopicPartition>> {
  const plan = new Map(members.map((member) => [member, new Map<string, TopicPartition>()]))
  const all = new Map(members.flatMap(({ wanted }) => wanted.map((at) => [nameOf(at), at] as const)))
  const sizeOf = (member: Member) => plan.get(member)?.size ?? 0
  const wants = (member: Member, name: string) => member.wanted.some((at) => nameOf(at) === name)
  const fair = Math.ceil(all.size / Math.max(1, members.length))
  const free: [string, TopicPartition][] = []
  for (const [name, at] of [...all].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const owner = members.find((member) => member.owned.has(name))
    if (owner !== undefined && sizeOf(owner) < fair) plan.get(owner)?.set(name, at)
    else free.push([name, at])
  }
  for (const [name, at] of free) {
    const able = members.filter((member) => wants(member, name))
    const poorest = able.reduce<Member | null>(
      (best, member) => (best === null || sizeOf(member) < sizeOf(best) ? member : best),
      null,
    )
    if (poorest !== null) plan.get(poorest)?.set(name, at)
  }
  evenOut(plan, wants)
  return plan
}

/** Moves partitions from a member with two more than another until there is none; each move lowers the sum of squares. */
function evenOut(
  plan: Map<Member, Map<string, TopicPartition>>,
  wants: (member: Member, name: string) => boolean,
): void {
  for (;;) {
    const move = findMove(plan, wants)
    if (move === null) return
    plan.get(move.from)?.delete(move.name)
    plan.get(move.to)?.set(move.name, move.at)
  }
}

function findMove(
  plan: ReadonlyMap<Member, ReadonlyMap<string, TopicPartition>>,
  wants: (member: Member, name: string) => boolean,
): Readonly<{ from: Member; to: Member; name: string; at: TopicPartition }> | null {
  for (const [from, rich] of plan) {
    for (const [to, poor] of plan) {
      if (rich.size < poor.size + 2) continue
      const found = [...rich].find(([name]) => wants(to, name))
      if (found !== undefined) return { from, to, name: found[0], at: found[1] }
    }
  }
  return null
}

function nameOf(at: TopicPartition): string {
  return `${at.topic}/${String(at.partition).padStart(6, '0')}`
}
