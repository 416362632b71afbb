import { createHash } from 'node:crypto'
import type {
  Adapter,
  Batch,
  Cursor,
  Json,
  Known,
  Session,
  SourceRecord,
  Traits,
  Unreadable,
} from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import type { FaultPlan, Watched } from './adapter-faults.ts'
import { watched } from './adapter-faults.ts'
import { createSurroundings } from './adapter-surroundings.ts'
import type { AdapterSubject, AdapterWorld } from './adapter-world.ts'

/** A poll that gives more batches than this does not end. */
const BATCHES_MAX = 2_000

/**
 * A lane in small: what a gateway would know after the batches that it took. Cursor and marks go through JSON, as
 * they do when they are stored.
 */
export type Consumer = {
  cursor: Cursor | null
  marks: Map<string, Json>
  /** What is there, by source key. */
  state: Map<string, Readonly<{ version: number; content: string }>>
  records: SourceRecord[]
  unreadable: Unreadable[]
  batches: Batch[]
  /** The pass under way whose beginning was seen. */
  pass: { id: string; keys: Set<string> } | null
}

/** One world at work: the source, what is true in it, and sessions with it. */
export type Bench = Readonly<{
  adapter: Adapter<AdapterSubject['adapter']['connection'], AdapterSubject['adapter']['feed'], unknown>
  world: AdapterWorld<unknown>
  traits: Traits
  /** Version by key. */
  truth: Map<string, number>
  open(consumer: Consumer, plan?: FaultPlan | null): Promise<Opened>
  add(key: string): Promise<void>
  change(key: string, version: number): Promise<void>
  remove(key: string): Promise<void>
}>

export type Opened = Readonly<{
  session: Session
  watch: Watched<object>
  logged: readonly string[]
  /** Takes batches until the poll ends, or so many. Gives how many it took. */
  drain(batchesMax?: number): Promise<number>
  close(): Promise<void>
}>

export function newConsumer(): Consumer {
  return {
    cursor: null,
    marks: new Map(),
    state: new Map(),
    records: [],
    unreadable: [],
    batches: [],
    pass: null,
  }
}

export type BenchOptions = Readonly<{
  /** Default 3. */
  batchRecordsMax?: number
  /** How many of the world's keys are added at once; default none. */
  filled?: number
}>

/** Runs a piece of work on a fresh world and closes it. */
export async function onBench<Result>(
  subject: AdapterSubject,
  options: BenchOptions,
  work: (bench: Bench) => Promise<Result>,
): Promise<Result> {
  const world = await subject.world()
  try {
    const bench = createBench(subject, world, options.batchRecordsMax ?? 3)
    for (const key of world.keys.slice(0, options.filled ?? 0)) await bench.add(key)
    return await work(bench)
  } finally {
    await world.close()
  }
}

/** The keys that the consumer has in a version that is not the true one, or that it has and should not. */
export function differences(bench: Bench, consumer: Consumer): readonly string[] {
  const faults: string[] = []
  for (const [key, version] of bench.truth) {
    const known = consumer.state.get(key)
    if (known === undefined) faults.push(`${key} was never delivered`)
    else if (known.version !== version)
      faults.push(`${key} was delivered last in version ${known.version}, but is in ${version}`)
  }
  if (bench.traits.deletes === 'invisible') return faults
  const invented = [...consumer.state.keys()].filter((key) => !bench.truth.has(key))
  return [...faults, ...invented.map((key) => `${key} is not there, but was not reported as deleted`)]
}

/** The keys of the world that a bench may add when the first so many are there. */
export function keyAt(bench: Bench, index: number): string {
  const key = bench.world.keys[index]
  if (key === undefined) throw new Error(`The world has no key ${index}; give it at least seven.`)
  return key
}

/** An error as a violation, unless it is one that adapters may throw. */
export function illegalError(error: unknown, during: string): readonly string[] {
  if (error instanceof AdapterError) return []
  const name = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return [`${during} threw ${name}, which is no AdapterError`]
}

export function contentOf(record: SourceRecord): string {
  return record.fingerprint ?? createHash('sha256').update(JSON.stringify(record.data)).digest('hex')
}

function createBench(subject: AdapterSubject, world: AdapterWorld<unknown>, batchRecordsMax: number): Bench {
  const { adapter } = subject
  const feeds = Object.fromEntries(
    Object.entries(world.feeds).map(([name, settings]) => [name, adapter.feed.parse(settings)]),
  )
  const feed = feeds[world.feed]
  if (feed === undefined) throw new Error(`The world has no feed ${world.feed}.`)
  const truth = new Map<string, number>()
  return {
    adapter,
    world,
    traits: adapter.traits(feed),
    truth,
    async open(consumer, plan = null) {
      const { context, logged } = createSurroundings({ batchRecordsMax, marks: consumer.marks })
      const transport = await world.transport()
      if (typeof transport !== 'object' || transport === null) throw new Error('A transport is an object.')
      const watch = watched(transport, plan)
      const session = adapter.session(watch.transport, feeds, context)
      return {
        session,
        watch,
        logged,
        drain: (batchesMax = Number.POSITIVE_INFINITY) => drain(session, world, consumer, batchesMax),
        close: () => session.close().catch(() => undefined),
      }
    },
    async add(key) {
      await world.add(key)
      truth.set(key, 1)
    },
    async change(key, version) {
      await world.change(key, version)
      truth.set(key, version)
    },
    async remove(key) {
      if (world.remove === undefined) throw new Error('This world removes nothing.')
      await world.remove(key)
      truth.delete(key)
    },
  }
}

async function drain(
  session: Session,
  world: AdapterWorld<unknown>,
  consumer: Consumer,
  batchesMax: number,
): Promise<number> {
  let taken = 0
  if (batchesMax === 0) return 0
  const stop = new AbortController()
  const known: Known = (reads) =>
    reads.map(({ key, fingerprint }) => consumer.state.get(key)?.content === fingerprint)
  for await (const batch of session.poll(world.feed, consumer.cursor, stop.signal, known)) {
    take(consumer, world, batch)
    taken += 1
    if (taken >= batchesMax) return taken
    if (taken > BATCHES_MAX) throw new Error(`More than ${BATCHES_MAX} batches: this does not end.`)
  }
  return taken
}

/** Takes a batch for durable. */
export function take(consumer: Consumer, world: AdapterWorld<unknown>, batch: Batch): void {
  consumer.batches.push(batch)
  consumer.unreadable.push(...batch.unreadable)
  if (batch.pass?.begins === true) consumer.pass = { id: batch.pass.id, keys: new Set() }
  for (const record of batch.records) {
    consumer.records.push(record)
    consumer.pass?.keys.add(record.key)
    if (record.op === 'delete') consumer.state.delete(record.key)
    else consumer.state.set(record.key, { version: world.versionOf(record), content: contentOf(record) })
  }
  for (const key of batch.unchanged ?? []) {
    if (!consumer.state.has(key)) throw new Error(`${key} is said to be unchanged, but was never delivered.`)
    consumer.pass?.keys.add(key)
  }
  if (batch.pass?.ends === true && consumer.pass?.id === batch.pass.id) {
    for (const key of consumer.state.keys()) if (!consumer.pass.keys.has(key)) consumer.state.delete(key)
    consumer.pass = null
  }
  for (const mark of batch.marks ?? [])
    consumer.marks.set(`${world.feed}/${mark.key}`, JSON.parse(JSON.stringify(mark.value)) as Json)
  consumer.cursor = JSON.parse(JSON.stringify(batch.next)) as Cursor
}
