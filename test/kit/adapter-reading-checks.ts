import type { Batch, Cursor } from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import type { Opened } from './adapter-bench.ts'
import { contentOf, differences, illegalError, keyAt, newConsumer, onBench } from './adapter-bench.ts'
import type { AdapterCheck } from './adapter-world.ts'

const NEVER = new AbortController().signal

/** Promises about what a poll delivers. */
export const READING_CHECKS: readonly AdapterCheck[] = [
  {
    name: 'delivers everything from the beginning',
    run: (subject) =>
      onBench(subject, { filled: 7 }, async (bench) => {
        const consumer = newConsumer()
        await drained(await bench.open(consumer))
        return differences(bench, consumer)
      }),
  },
  {
    name: 'gives the same record the same key and fingerprint',
    run: (subject) =>
      onBench(subject, { filled: 4 }, async (bench) => {
        const [first, second] = [newConsumer(), newConsumer()]
        await drained(await bench.open(first))
        await drained(await bench.open(second))
        const faults = bench.world.keys.slice(0, 4).flatMap((key) => {
          const [once, again] = [first.state.get(key)?.content, second.state.get(key)?.content]
          if (once === undefined || again === undefined) return [`${key} was not delivered under its key`]
          return once === again ? [] : [`${key} has another fingerprint when it is read again`]
        })
        const strange = [...first.state.keys(), ...second.state.keys()].filter((key) => !bench.truth.has(key))
        return [...faults, ...strange.map((key) => `${key} is the key of no record`)]
      }),
  },
  {
    name: 'keeps batches within the limit, never empty',
    async run(subject) {
      const faults: string[] = []
      // With a limit of 1 every batch is full, also the last one: what is left for another one is nothing.
      for (const limit of [1, 2])
        await onBench(subject, { filled: 7, batchRecordsMax: limit }, async (bench) => {
          const consumer = newConsumer()
          const opened = await bench.open(consumer)
          await opened.drain()
          if (bench.world.spoil !== undefined) await bench.world.spoil()
          await opened.drain()
          await opened.close()
          faults.push(...consumer.batches.flatMap((batch) => shapeFaults(batch, limit)))
        })
      return faults
    },
  },
  {
    name: 'begins and ends every pass',
    run: (subject) =>
      onBench(subject, { filled: 7 }, async (bench) => {
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        await opened.drain()
        await opened.drain()
        await opened.close()
        const passes = consumer.batches.flatMap((batch) => batch.pass ?? [])
        const isByPass = bench.traits.deletes === 'by-pass'
        if (!isByPass) return passes.length === 0 ? [] : ['has passes, but deletions do not show by passes']
        return passFaults(passes)
      }),
  },
  {
    name: 'resumes in a new session after every batch, losing nothing',
    async run(subject) {
      const total = await onBench(subject, { filled: 7, batchRecordsMax: 2 }, async (bench) =>
        drained(await bench.open(newConsumer())),
      )
      const faults: string[] = []
      for (let cut = 1; cut <= total; cut += subject.every ?? 1) {
        await onBench(subject, { filled: 7, batchRecordsMax: 2 }, async (bench) => {
          const consumer = newConsumer()
          await drained(await bench.open(consumer), cut)
          await drained(await bench.open(consumer))
          faults.push(...differences(bench, consumer).map((fault) => `resumed after batch ${cut}: ${fault}`))
        })
      }
      return faults
    },
  },
  {
    name: 'resumes when every session ends after one batch',
    run: (subject) =>
      onBench(subject, { filled: 7, batchRecordsMax: 2 }, async (bench) => {
        const consumer = newConsumer()
        for (let sessions = 0; sessions < 20; sessions += 1)
          if ((await drained(await bench.open(consumer), 1)) === 0) break
        return differences(bench, consumer)
      }),
  },
  {
    name: 'reports only what is new after catching up',
    run: (subject) =>
      onBench(subject, { filled: 5 }, async (bench) => {
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        await opened.drain()
        const known = new Map(consumer.state)
        const before = consumer.records.length
        await bench.add(keyAt(bench, 5))
        await opened.drain()
        await opened.close()
        const again = consumer.records.slice(before).filter((record) => known.has(record.key))
        const faults = differences(bench, consumer)
        if (!bench.world.rereads)
          return [...faults, ...again.map((record) => `${record.key} was reported again`)]
        const altered = again.filter((record) => contentOf(record) !== known.get(record.key)?.content)
        return [...faults, ...altered.map((record) => `${record.key} came again with other content`)]
      }),
  },
  {
    name: 'reports changes after catching up',
    run: (subject) =>
      onBench(subject, { filled: 5 }, async (bench) => {
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        await opened.drain()
        await bench.change(keyAt(bench, 2), 2)
        await opened.drain()
        await bench.change(keyAt(bench, 2), 3)
        await bench.change(keyAt(bench, 0), 2)
        await opened.drain()
        await opened.close()
        return differences(bench, consumer)
      }),
  },
  {
    name: 'hands over a row it cannot read and carries on behind it',
    run: (subject) =>
      onBench(subject, { filled: 3 }, async (bench) => {
        if (bench.world.spoil === undefined) return []
        await bench.world.spoil()
        await bench.add(keyAt(bench, 3))
        await bench.add(keyAt(bench, 4))
        const consumer = newConsumer()
        await drained(await bench.open(consumer))
        const faults = [...differences(bench, consumer)]
        if (consumer.unreadable.length === 0) faults.push('what cannot be read was not handed over')
        for (const { where, reason, raw } of consumer.unreadable)
          if (where === '' || reason === '' || raw.length === 0)
            faults.push('something unreadable came without place, reason or raw bytes')
        return faults
      }),
  },
  {
    name: 'describes the fields that it delivers',
    run: (subject) =>
      onBench(subject, { filled: 3 }, async (bench) => {
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        await opened.drain()
        const shapes = await opened.session.discover(NEVER)
        await opened.close()
        const shape = shapes.find(({ name }) => name === bench.world.feed)
        if (shape === undefined) return ['discover does not know the feed']
        return consumer.batches.flatMap((batch) => fieldFaults(batch, shape.fields))
      }),
  },
  {
    name: 'refuses the cursor of another kind',
    run: (subject) =>
      onBench(subject, { filled: 1 }, async (bench) => {
        const foreign = JSON.stringify({ kind: 'kit', version: 1, at: 0 }) as Cursor
        const opened = await bench.open({ ...newConsumer(), cursor: foreign })
        try {
          await opened.drain()
          return ['a cursor that another adapter wrote was accepted']
        } catch (error) {
          const isRefused = error instanceof AdapterError && error.code === 'ADAPTER_CURSOR_STALE'
          return isRefused ? [] : ['a cursor that another adapter wrote is not refused as stale']
        } finally {
          await opened.close()
        }
      }),
  },
  {
    name: 'refuses a feed that it does not have',
    run: (subject) =>
      onBench(subject, {}, async (bench) => {
        const opened = await bench.open(newConsumer())
        const asks = [
          () => opened.session.preview('no-such-feed', 1, NEVER),
          () => opened.session.poll('no-such-feed', null, NEVER)[Symbol.asyncIterator]().next(),
        ]
        const faults: string[] = []
        for (const ask of asks) {
          const error = await failureOf(ask)
          if (error === null) faults.push('a feed that is not there was read')
          else faults.push(...illegalError(error, 'reading a feed that is not there'))
        }
        await opened.close()
        return faults
      }),
  },
]

async function drained(opened: Opened, batchesMax?: number): Promise<number> {
  const taken = await opened.drain(batchesMax)
  await opened.close()
  return taken
}

/** What a call threw, or null. */
export async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return null
  } catch (error) {
    return error
  }
}

function shapeFaults(batch: Batch, limit: number): readonly string[] {
  const size = batch.records.length + batch.unreadable.length
  const told = [...(batch.marks ?? []), ...(batch.unchanged ?? [])]
  const says = batch.pass?.begins === true || batch.pass?.ends === true || told.length > 0
  const faults = size > limit ? [`a batch holds ${size} records, ${limit} is the limit`] : []
  return size === 0 && !says ? [...faults, 'a batch is empty and says nothing'] : faults
}

function passFaults(passes: readonly Readonly<{ id: string; begins: boolean; ends: boolean }>[]): string[] {
  const faults: string[] = []
  let open: string | null = null
  const ended = new Set<string>()
  for (const { id, begins, ends } of passes) {
    if (begins && open !== null) faults.push(`pass ${id} begins before ${open} has ended`)
    if (begins) open = id
    if (open !== id) faults.push(`a batch of pass ${id} comes outside of it`)
    if (ended.has(id)) faults.push(`pass ${id} goes on behind its end`)
    if (!ends) continue
    ended.add(id)
    open = null
  }
  if (open !== null) faults.push(`pass ${open} has no end`)
  return passes.length === 0 ? ['there is no pass, by which alone deletions would show'] : faults
}

function fieldFaults(batch: Batch, described: Readonly<Record<string, string>>): readonly string[] {
  const known = batch.fields ?? described
  const top = new Set(Object.keys(known).map((field) => field.split('.', 1)[0]))
  const missing = batch.records.flatMap((record) =>
    Object.keys(record.data).filter((field) => !top.has(field)),
  )
  const differing = Object.entries(known).filter(([field, type]) => described[field] !== type)
  return [
    ...[...new Set(missing)].map((field) => `field ${field} is delivered but not described`),
    ...differing.map(([field]) => `field ${field} is described otherwise by discover`),
  ]
}
