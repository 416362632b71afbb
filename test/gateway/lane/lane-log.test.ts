import { describe, expect, test } from 'vitest'
import { createMemoryLog, type MemoryLog } from '../../../gateway/log/memory.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { type Projection, ProjectionError } from '../../../gateway/ports.ts'
import { DEFAULT_KEEP, entityTopic, TOPICS, topicSpecs } from '../../../gateway/topics.ts'
import { type Bench, createBench, events, runOnce, story } from './lane-bench.ts'
import { put, putMany } from './table-source.ts'

const { signal } = new AbortController()

/** A log whose topics have the ids of every other of its kind, as a restored one has those of its backup. */
function backupKind(): MemoryLog {
  const runtime = { ...createRuntime(), bytes: (length: number) => new Uint8Array(length).fill(7) }
  return createMemoryLog({ runtime, partitions: 3 })
}

/** The log as it is now, in another one: a backup. */
async function backupOf(log: MemoryLog): Promise<MemoryLog> {
  const copy = backupKind()
  await copy.ensure(topicSpecs(['payment'], DEFAULT_KEEP), signal)
  const writer = await copy.writer('copy', signal)
  for (const topic of [entityTopic('payment'), TOPICS.cursors, TOPICS.rejects]) {
    for (let partition = 0; partition < 3; partition += 1) {
      for await (const chunk of log.readTo({ topic, partition }, 0, { signal })) {
        for (const { key, value, headers } of chunk.records) {
          await writer.transact({ records: [{ topic, key, value, headers }] }, signal)
        }
      }
    }
  }
  return copy
}

/** A bench whose log was put back to a state with one record, while its projection knows of seven. */
async function restoredBench(): Promise<Bench> {
  const bench = createBench({ log: backupKind() })
  put(bench.table, 'k0', { number: 'P0', amount: 'A' })
  await runOnce(bench)
  const log = await backupOf(bench.log)
  putMany(bench.table, 7)
  await runOnce(bench)
  expect(await events(bench.log)).toHaveLength(7)
  return { ...bench, log, ports: { ...bench.ports, log } }
}

describe('a log that was restored from a backup', () => {
  test('gets everything again that it lost, though the projection knows it [P1 P2]', async () => {
    const bench = await restoredBench()
    await runOnce(bench)
    const subjects = (await events(bench.log)).map(({ subject }) => subject)
    expect(subjects.sort()).toEqual(['P0', 'P1', 'P2', 'P3', 'P4', 'P5', 'P6'])
  })

  test('gets it also where others have written since, and it is as long again as it was [P1 P2]', async () => {
    const bench = await restoredBench()
    const other = createBench()
    putMany(other.table, 40)
    const neighbour: Bench = { ...bench, table: other.table, projections: new Map() }
    await runOnce(neighbour, { source: 'other', system: 'other' })
    await runOnce(bench)
    await runOnce(bench)
    const mine = (await events(bench.log)).filter(({ source }) => source.startsWith('/erp/toy/'))
    expect(mine.map(({ subject }) => subject).sort()).toEqual(['P0', 'P1', 'P2', 'P3', 'P4', 'P5', 'P6'])
  })
})

describe('what cannot be written for a moment', () => {
  test('is tried again where the log is away [P9]', async () => {
    let calls = 0
    const bench = createBench({
      pace: 100,
      faults: {
        isAway(call) {
          if (call !== 'writer') return false
          calls += 1
          return calls === 1
        },
      },
    })
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    expect((await runOnce(bench)).stopped).toBeNull()
    expect(calls).toBe(2)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
  })

  test('is waited for where the disk under the projection is full [P2 P9 F17]', async () => {
    const bench = createBench({ pace: 100 })
    let isFull = true
    const projections = {
      open(lane: string): Projection {
        const projection = bench.ports.projections.open(lane)
        return {
          ...projection,
          apply(change) {
            if (isFull && change.rows.length > 0) {
              isFull = false
              throw new ProjectionError('ENOSPC: no space left on device')
            }
            projection.apply(change)
          },
        }
      },
    }
    bench.table.page = 1
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    expect((await runOnce(bench, { ports: { ...bench.ports, projections } })).stopped).toBeNull()
    expect(isFull).toBe(false)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
  })
})
