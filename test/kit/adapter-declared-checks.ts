import type { Cursor, Session } from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import type { Bench, Consumer } from './adapter-bench.ts'
import { differences, keyAt, newConsumer, onBench, take } from './adapter-bench.ts'
import type { AdapterCheck } from './adapter-world.ts'

const NEVER = new AbortController().signal

/** Promises about what the adapter says of itself, and the further ways to read. */
export const DECLARED_CHECKS: readonly AdapterCheck[] = [
  {
    name: 'reports deletions as declared',
    run: (subject) =>
      onBench(subject, { filled: 5 }, async (bench) => {
        if (bench.world.remove === undefined) return []
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        await opened.drain()
        await bench.remove(keyAt(bench, 1))
        const before = consumer.batches.length
        await opened.drain()
        await opened.close()
        const reported = consumer.records.filter((record) => record.op === 'delete')
        const faults = [...differences(bench, consumer)]
        if (bench.traits.deletes !== 'reported' && reported.length > 0)
          faults.push(`deletions are declared ${bench.traits.deletes}, but one was reported`)
        const passes = consumer.batches.slice(before).filter((batch) => batch.pass !== undefined)
        if (bench.traits.deletes !== 'by-pass' && passes.length > 0)
          faults.push(`deletions are declared ${bench.traits.deletes}, but there are passes`)
        return faults
      }),
  },
  {
    name: 'keeps the order that it declares',
    run: (subject) =>
      onBench(subject, { filled: 3 }, async (bench) => {
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        await opened.drain()
        for (let version = 2; version <= 4; version += 1) {
          await bench.change(keyAt(bench, version % 2), version)
          if (version === 3) await opened.drain()
        }
        await opened.drain()
        await bench.world.showOlder?.(keyAt(bench, 0))
        await opened.drain()
        await opened.close()
        return bench.traits.order === 'none' ? [] : backwards(bench, consumer)
      }),
  },
  {
    name: 'tells an older version that comes second',
    run: (subject) =>
      onBench(subject, { filled: 2 }, async (bench) => {
        if (bench.world.showOlder === undefined) return []
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        await bench.change(keyAt(bench, 0), 2)
        await opened.drain()
        await bench.world.showOlder(keyAt(bench, 0))
        await opened.drain()
        await opened.close()
        return bench.traits.order === 'none' ? [] : backwards(bench, consumer)
      }),
  },
  {
    name: 'ends at the last of eleven versions of one key',
    run: (subject) =>
      onBench(subject, { filled: 2, batchRecordsMax: 20 }, async (bench) => {
        for (let version = 2; version <= 11; version += 1) await bench.change(keyAt(bench, 0), version)
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        await opened.drain()
        await opened.close()
        return differences(bench, consumer)
      }),
  },
  {
    name: 'reads again from where it declares it can',
    run: (subject) =>
      onBench(subject, { filled: 7, batchRecordsMax: 2 }, async (bench) => {
        if (bench.traits.replay !== 'from-any-cursor') return []
        const [all, early] = [newConsumer(), newConsumer()]
        const opened = await bench.open(all)
        await opened.drain()
        await opened.close()
        const [first] = all.batches
        if (first === undefined) return ['nothing was delivered']
        take(early, bench.world, first)
        const again = await bench.open(early)
        await again.drain()
        await again.close()
        return differences(bench, early)
      }),
  },
  {
    name: 'reads single rows fresh and leaves out what is not there',
    run: (subject) =>
      onBench(subject, { filled: 4 }, async (bench) => {
        const opened = await bench.open(newConsumer())
        const { session } = opened
        if (session.read === undefined) return []
        await bench.change(keyAt(bench, 1), 2)
        const asked = [keyAt(bench, 1), 'no/such/key', keyAt(bench, 6), keyAt(bench, 2)]
        const rows = await session.read(bench.world.feed, asked, NEVER)
        await opened.close()
        const seen = rows.map((row) => `${row.key} in version ${bench.world.versionOf(row)}`).sort()
        const wanted = [`${keyAt(bench, 1)} in version 2`, `${keyAt(bench, 2)} in version 1`].sort()
        return JSON.stringify(seen) === JSON.stringify(wanted)
          ? []
          : [`read gave ${seen.join(', ') || 'nothing'}, not ${wanted.join(', ')}`]
      }),
  },
  {
    name: 'starts from now with what comes after',
    run: (subject) =>
      onBench(subject, { filled: 4 }, async (bench) => {
        const consumer = newConsumer()
        const opened = await bench.open(consumer)
        const cursor = await startNow(bench, opened.session)
        if (cursor === null) return []
        consumer.cursor = cursor
        await opened.drain()
        const early = consumer.records.length
        await bench.add(keyAt(bench, 5))
        await opened.drain()
        await opened.drain()
        await opened.close()
        const faults = early > 0 ? [`${early} records from before were delivered`] : []
        const isThere = consumer.state.has(keyAt(bench, 5))
        return isThere ? faults : [...faults, 'what came after was not delivered']
      }),
  },
]

async function startNow(bench: Bench, session: Session): Promise<Cursor | null> {
  if (session.startAt === undefined) return null
  try {
    return await session.startAt(bench.world.feed, 'now', NEVER)
  } catch (error) {
    // A feed that is compared whole has no middle to start in.
    if (error instanceof AdapterError && error.code === 'ADAPTER_CONFIG_INVALID') return null
    throw error
  }
}

/** Versions that went back, where the lane could not tell from order or row version that they are older. */
function backwards(bench: Bench, consumer: Consumer): readonly string[] {
  const newest = new Map<string, Consumer['records'][number]>()
  const faults: string[] = []
  for (const record of consumer.records) {
    const before = newest.get(record.key)
    if (record.op === 'delete') newest.delete(record.key)
    else if (before === undefined || bench.world.versionOf(before) <= bench.world.versionOf(record))
      newest.set(record.key, record)
    else if (!isKnownOlder(record.rowVersion, before.rowVersion) && !isKnownOlder(record.order, before.order))
      faults.push(`an older version of ${record.key} came second, and nothing in it says so`)
  }
  return faults
}

function isKnownOlder(later: string | null, earlier: string | null): boolean {
  return later !== null && earlier !== null && later < earlier
}
