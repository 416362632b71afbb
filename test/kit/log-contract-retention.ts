import { describe, expect, test } from 'vitest'
import { partitionOf } from '../../gateway/log/partition.ts'
import { type LogWorld, type MakeLogWorld, ORDERS, REJECTS } from './log-contract.ts'
import { begin, commit, draft, NEVER, order, readPartition, readTopic, textOf } from './log-contract-steps.ts'

export function testLogRetention(makeWorld: MakeLogWorld): void {
  describe('retention', () => {
    test('keeps everything that is younger than the spec says', async () => {
      const { world, log } = await begin(makeWorld)
      const prune = pruneOf(world)
      const writer = await log.writer('w', NEVER)
      await commit(writer, [order('a', '1'), order('a', '2'), draft(REJECTS, 'r', '1')])
      await prune(ORDERS.keepMs / 2)
      expect((await readTopic(log, ORDERS, world.partitions)).map(textOf)).toEqual(['1', '2'])
      expect((await readTopic(log, REJECTS, world.partitions)).map(textOf)).toEqual(['1'])
    })

    test('keeps the newest record of each key for ever, and drops older ones and tombstones', async () => {
      const { world, log } = await begin(makeWorld)
      const prune = pruneOf(world)
      const writer = await log.writer('w', NEVER)
      const keys = Array.from({ length: 700 }, (_, place) => `key-${place}`)
      for (const round of ['1', '2', '3']) {
        await commit(
          writer,
          keys.map((key) => order(key, round)),
        )
      }
      await commit(writer, [order('key-0', null), order('key-1', null), order('key-1', 'again')])
      await prune(ORDERS.keepMs * 2)
      await prune(ORDERS.keepMs * 4)
      const records = await readTopic(log, ORDERS, world.partitions)
      const values = new Map(records.map((record) => [record.key, textOf(record)]))
      expect(records).toHaveLength(keys.length - 1)
      expect(values.has('key-0')).toBe(false)
      expect(values.get('key-1')).toBe('again')
      expect(keys.slice(2).every((key) => values.get(key) === '3')).toBe(true)
    })

    test('of a topic that is kept by age drops what is older', async () => {
      const { world, log } = await begin(makeWorld)
      const prune = pruneOf(world)
      const writer = await log.writer('w', NEVER)
      const many = Array.from({ length: 1_500 }, (_, place) => draft(REJECTS, `r${place}`, '1'))
      await commit(writer, many)
      await prune(REJECTS.keepMs * 2)
      expect(await readTopic(log, REJECTS, world.partitions)).toEqual([])
      await commit(writer, many.slice(0, 1))
      expect(await readTopic(log, REJECTS, world.partitions)).toHaveLength(1)
    })

    test('leaves positions as they were, and reads end at the end though its records are gone', async () => {
      const { world, log } = await begin(makeWorld)
      const prune = pruneOf(world)
      const at = { topic: ORDERS.name, partition: partitionOf('a', world.partitions) }
      const writer = await log.writer('w', NEVER)
      await commit(writer, [order('a', '1'), order('a', '2'), order('a', '3'), order('a', null)])
      const end = await log.end(at, NEVER)
      await prune(ORDERS.keepMs * 2)
      expect(await log.end(at, NEVER)).toBe(end)
      expect(await readPartition(log, at)).toMatchObject({ records: [], position: end })
      const [placed] = await commit(writer, [order('a', '5')])
      expect(placed?.offset).toBeGreaterThanOrEqual(end)
      const reopened = await world.restart()
      expect((await readPartition(reopened, at, 1)).records.map(textOf)).toEqual(['5'])
    })

    test('goes on beside writers, and what they write meanwhile is kept', async () => {
      const { world, log } = await begin(makeWorld)
      const prune = pruneOf(world)
      const writer = await log.writer('w', NEVER)
      for (let round = 0; round < 4; round += 1) {
        await commit(
          writer,
          Array.from({ length: 1_000 }, (_, place) => order(`key-${place}`, `${round}`)),
        )
      }
      const pruning = prune(ORDERS.keepMs + 5_000)
      for (let round = 0; round < 5; round += 1) await commit(writer, [order('key-0', `late-${round}`)])
      await pruning
      const values = (await readTopic(log, ORDERS, world.partitions))
        .filter(({ key }) => key === 'key-0')
        .map(textOf)
      expect(values.at(-1)).toBe('late-4')
      const newest = new Set((await readTopic(log, ORDERS, world.partitions)).map(({ key }) => key))
      expect(newest.size).toBe(1_000)
    })
  })
}

function pruneOf(world: LogWorld): NonNullable<LogWorld['prune']> {
  if (world.prune === null) throw new Error('A world whose driver keeps the log must be able to prune it.')
  return world.prune
}
