import type { Runtime } from '../runtime.ts'
import { assertTransaction, oversizeOf, refusalOf, topicUnknown } from './drafts.ts'
import { LogError } from './errors.ts'
import type { Groups } from './groups.ts'
import { createGroups } from './groups.ts'
import type { Disk, MemoryPart } from './memory-disk.ts'
import { appendAll, chunkOf, makeTopic, placeOf, pruneTopic } from './memory-disk.ts'
import type { CommitFault, MemoryFaults } from './memory-faults.ts'
import type {
  Chunk,
  Commit,
  Log,
  TopicPartition,
  TopicSpec,
  TopicState,
  Transaction,
  Writer,
} from './port.ts'
import { assertSpec, compareSpec } from './topic-faults.ts'

export type MemoryLogOptions = Readonly<{
  runtime: Pick<Runtime, 'wall' | 'sleep' | 'bytes'>
  /** Of topics that are made. */
  partitions: number
  faults?: MemoryFaults
}>

/**
 * A log in memory for unit tests and the simulation: deterministic, with transactions, fencing, groups, and the faults
 * that it is given. It is the disk and outlives those who use it: each gateway that comes and goes in a test takes a
 * connection of its own; closing that is a clean end as well as a crash, for what is under way goes on without it.
 */
export interface MemoryLog extends Log {
  /** Another user of the same records. */
  connect(): Log
  /** Drops what no topic's spec promises to keep at `now` (epoch ms). Resolves to the number of records dropped. */
  prune(now: number, signal: AbortSignal): Promise<number>
  /** Takes all partitions from all members of all groups and deals them anew. */
  rebalance(): void
}

export function createMemoryLog(options: MemoryLogOptions): MemoryLog {
  const disk: Disk = {
    topics: new Map(),
    positions: new Map(),
    epochs: new Map(),
    undecided: new Map(),
    followers: new Set(),
  }
  const { runtime, partitions, faults = {} } = options
  const groups = createGroups({
    position: async (group, at) => disk.positions.get(placeOf(group, at)) ?? null,
    follow: (at, from, signal) => follow(world, at, from, signal),
  })
  const world: World = { disk, groups, runtime, partitions, faults }
  return {
    ...connection(world),
    connect: () => connection(world),
    async prune(now, signal) {
      signal.throwIfAborted()
      return [...disk.topics.values()].reduce((removed, topic) => removed + pruneTopic(topic, now), 0)
    },
    rebalance: () => groups.rebalance(),
  }
}

type World = Readonly<{
  disk: Disk
  groups: Groups
  runtime: MemoryLogOptions['runtime']
  partitions: number
  faults: MemoryFaults
}>

function connection(world: World): Log {
  const closing = new AbortController()
  const enter = (call: 'ensure' | 'writer' | 'read', signal: AbortSignal) => {
    if (closing.signal.aborted) throw new LogError('LOG_CLOSED', 'The log was used after it was closed.')
    signal.throwIfAborted()
    if (world.faults.isAway?.(call) !== true) return
    throw new LogError('LOG_UNAVAILABLE', 'The log is away for the moment; nothing was done.')
  }
  const { disk } = world
  return {
    async ensure(topics, signal) {
      enter('ensure', signal)
      for (const spec of topics) assertSpec(spec)
      return topics.map((spec) => ensureTopic(world, spec))
    },
    async writer(identity, signal) {
      enter('writer', signal)
      return openWriter(world, identity, closing.signal)
    },
    async end(partition, signal) {
      enter('read', signal)
      return partOf(disk, partition).next
    },
    readTo(partition, from, { to, signal }) {
      enter('read', signal)
      const part = partOf(disk, partition)
      return read(world, part, from, Math.min(part.next, to ?? part.next), signal)
    },
    async position(group, partition, signal) {
      enter('read', signal)
      return disk.positions.get(placeOf(group, partition)) ?? null
    },
    subscribe(group, topics, signal) {
      enter('read', signal)
      const partitions = topics.flatMap((topic) => {
        const parts = disk.topics.get(topic)?.parts
        if (parts === undefined) throw new LogError('LOG_TOPIC_UNKNOWN', topicUnknown(topic))
        return parts.map((_, partition) => ({ topic, partition }))
      })
      return world.groups.join(group, partitions, AbortSignal.any([signal, closing.signal]))
    },
    async close() {
      closing.abort(new LogError('LOG_CLOSED', 'The log was closed.'))
    },
  }
}

function ensureTopic({ disk, runtime, partitions }: World, spec: TopicSpec): TopicState {
  const found = disk.topics.get(spec.name)
  if (found === undefined) {
    const id = Buffer.from(runtime.bytes(16)).toString('hex')
    disk.topics.set(spec.name, makeTopic(spec, id, partitions))
    return { name: spec.name, id, partitions, faults: [] }
  }
  const isEmpty = found.parts.every((part) => part.next === 0)
  const faults = compareSpec(found.spec, spec, isEmpty)
  if (faults.length === 0) found.spec = spec
  return { name: spec.name, id: found.id, partitions: found.parts.length, faults }
}

/** Decides what an earlier writer of the identity left undecided, and fences it. */
function openWriter(world: World, identity: string, closed: AbortSignal): Writer {
  const { disk, faults, runtime } = world
  const left = disk.undecided.get(identity)
  disk.undecided.delete(identity)
  if (left !== undefined && faults.commitsUndecided?.(identity) !== false)
    appendAll(disk, left, runtime.wall())
  const epoch = (disk.epochs.get(identity) ?? 0) + 1
  disk.epochs.set(identity, epoch)
  let state: 'free' | 'busy' | 'spent' | 'closed' = 'free'
  return {
    async transact(transaction, signal) {
      assertTransaction(transaction)
      if (state !== 'free') {
        throw new LogError('LOG_MISUSED', `A ${state} writer of the log was given a transaction.`)
      }
      if (closed.aborted) throw new LogError('LOG_CLOSED', 'The log was used after it was closed.')
      signal.throwIfAborted()
      state = 'busy'
      const commit = await transact(world, identity, epoch, transaction, signal)
      state = commit.kind === 'unknown' ? 'spent' : 'free'
      return commit
    },
    async close() {
      state = 'closed'
    },
  }
}

async function transact(
  world: World,
  identity: string,
  epoch: number,
  transaction: Transaction,
  signal: AbortSignal,
): Promise<Commit> {
  const { disk, faults } = world
  const fault = faults.commit?.(identity) ?? null
  if (!(await delayed(world, 'request', signal))) return unknown('the request')
  const isFenced = disk.epochs.get(identity) !== epoch && faults.ignoreFence !== true
  const answer = isFenced ? FENCED : decide(world, identity, transaction, fault)
  if (!(await delayed(world, 'answer', signal))) return unknown('the answer')
  if (answer.kind === 'committed' && faults.rebalances?.() === true) world.groups.rebalance()
  return answer
}

const FENCED: Commit = { kind: 'fenced' }

function decide(world: World, identity: string, transaction: Transaction, fault: CommitFault | null): Commit {
  const { disk, runtime } = world
  const reason = refusalOfAll(disk, transaction)
  if (reason !== null) return { kind: 'refused', retryable: false, reason }
  switch (fault) {
    case 'refused':
      return {
        kind: 'refused',
        retryable: true,
        reason: 'The log takes nothing for the moment; nothing was written.',
      }
    case 'lost-before':
      return unknown('the request')
    case 'undecided':
      disk.undecided.set(identity, transaction)
      return unknown('the request to commit')
    case 'lost-after':
      appendAll(disk, transaction, runtime.wall())
      return unknown('the answer')
    case null:
      return { kind: 'committed', placed: appendAll(disk, transaction, runtime.wall()) }
  }
}

function refusalOfAll(disk: Disk, transaction: Transaction): string | null {
  let whole = 0
  for (const draft of transaction.records) {
    const topic = disk.topics.get(draft.topic)
    if (topic === undefined) return topicUnknown(draft.topic)
    const headers = draft.headers === undefined ? 0 : Buffer.byteLength(JSON.stringify(draft.headers))
    const bytes = Buffer.byteLength(draft.key ?? '') + headers + (draft.value?.length ?? 0)
    const reason = refusalOf(draft, topic.spec.cleanup, bytes)
    if (reason !== null) return reason
    whole += bytes
  }
  for (const { topic } of transaction.positions ?? []) if (!disk.topics.has(topic)) return topicUnknown(topic)
  return oversizeOf(transaction.records.length, whole)
}

function unknown(lost: string): Commit {
  return { kind: 'unknown', reason: `The connection was lost with ${lost}.` }
}

/** False where the signal aborted meanwhile. */
async function delayed(world: World, step: 'request' | 'answer', signal: AbortSignal): Promise<boolean> {
  const ms = world.faults.delayMs?.(step) ?? 0
  if (ms > 0) {
    try {
      await world.runtime.sleep(ms, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
  return !signal.aborted
}

function partOf(disk: Disk, at: TopicPartition): MemoryPart {
  const topic = disk.topics.get(at.topic)
  if (topic === undefined) throw new LogError('LOG_TOPIC_UNKNOWN', topicUnknown(at.topic))
  const part = topic.parts[at.partition]
  if (part !== undefined) return part
  throw new LogError(
    'LOG_TOPIC_UNKNOWN',
    `${at.topic} has ${topic.parts.length} partitions and no ${at.partition}.`,
  )
}

async function* read(
  world: World,
  part: MemoryPart,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncIterable<Chunk> {
  let position = Math.max(0, from)
  while (position < to) {
    const ms = world.faults.delayMs?.('read') ?? 0
    if (ms > 0) await world.runtime.sleep(ms, signal)
    signal.throwIfAborted()
    const chunk = chunkOf(part, position, to)
    position = chunk.position
    yield chunk
  }
}

async function* follow(
  world: World,
  at: TopicPartition,
  from: number,
  signal: AbortSignal,
): AsyncIterable<Chunk> {
  const part = partOf(world.disk, at)
  let position = Math.max(0, from)
  while (!signal.aborted) {
    if (position < part.next) {
      const chunk = chunkOf(part, position, part.next)
      position = chunk.position
      yield chunk
    } else {
      await woken(world.disk, signal)
    }
  }
}

/** Resolves after the next commit of anybody, or when the signal aborts. */
async function woken(disk: Disk, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const wake = () => {
      disk.followers.delete(wake)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    disk.followers.add(wake)
    signal.addEventListener('abort', wake, { once: true })
  })
}
