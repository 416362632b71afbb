import { describe, expect, test } from 'vitest'
import { partitionOf } from '../../gateway/log/partition.ts'
import { type MakeLogWorld, ORDERS } from './log-contract.ts'
import { begin, commit, NEVER, order, placedOf, readPartition, textOf, write } from './log-contract-steps.ts'

export function testLogReading(makeWorld: MakeLogWorld): void {
  describe('reading', () => {
    test('ends at the end as it was when reading began', async () => {
      const { world, log } = await begin(makeWorld)
      const at = { topic: ORDERS.name, partition: partitionOf('a', world.partitions) }
      const writer = await log.writer('w', NEVER)
      await commit(writer, [order('a', '1'), order('a', '2')])
      const before = log.readTo(at, 0, { signal: NEVER })[Symbol.asyncIterator]()
      const first = await before.next()
      const seen = (first.value?.records ?? []).map(textOf)
      await commit(writer, [order('a', '3')])
      const end = await log.end(at, NEVER)
      for (let next = await before.next(); next.done !== true; next = await before.next()) {
        seen.push(...next.value.records.map(textOf))
      }
      expect(seen).toEqual(['1', '2'])
      const all = await readPartition(log, at)
      expect(all.records.map(textOf)).toEqual(['1', '2', '3'])
      expect(all.position).toBe(end)
    })

    test('begins and ends where it is told', async () => {
      const { world, log } = await begin(makeWorld)
      const at = { topic: ORDERS.name, partition: partitionOf('a', world.partitions) }
      const placed = placedOf(
        await write(log, 'w', { records: ['1', '2', '3', '4'].map((v) => order('a', v)) }),
      )
      const [, second = 0, , fourth = 0] = placed.map(({ offset }) => offset)
      const middle = await readPartition(log, at, second, fourth)
      expect(middle.records.map(textOf)).toEqual(['2', '3'])
      expect(middle.position).toBe(fourth)
      expect((await readPartition(log, at, second)).records.map(textOf)).toEqual(['2', '3', '4'])
    })

    test('beyond the end, or of nothing, gives nothing and ends', async () => {
      const { world, log } = await begin(makeWorld)
      const at = { topic: ORDERS.name, partition: partitionOf('a', world.partitions) }
      expect(await readPartition(log, at)).toMatchObject({ records: [], position: 0 })
      placedOf(await write(log, 'w', { records: [order('a')] }))
      const end = await log.end(at, NEVER)
      expect(await readPartition(log, at, end)).toMatchObject({ records: [], position: end })
      expect(await readPartition(log, at, end + 10)).toMatchObject({ records: [], position: end + 10 })
      expect(await readPartition(log, at, end, end + 10)).toMatchObject({ records: [], position: end })
    })

    test('gives many records in order and in pieces of bounded size', async () => {
      const { world, log } = await begin(makeWorld)
      const at = { topic: ORDERS.name, partition: partitionOf('a', world.partitions) }
      const writer = await log.writer('w', NEVER)
      const values = Array.from({ length: 5_000 }, (_, place) => String(place))
      for (let from = 0; from < values.length; from += 1_000) {
        await commit(
          writer,
          values.slice(from, from + 1_000).map((value) => order('a', value)),
        )
      }
      const { records, position, chunks } = await readPartition(log, at)
      expect(records.map(textOf)).toEqual(values)
      expect(position).toBe(await log.end(at, NEVER))
      expect(chunks).toBeGreaterThan(1)
      const offsets = records.map(({ offset }) => offset)
      expect(offsets.every((offset, place) => place === 0 || offset > (offsets[place - 1] ?? 0))).toBe(true)
    })

    test('stops when it is told to', async () => {
      const { world, log } = await begin(makeWorld)
      const at = { topic: ORDERS.name, partition: partitionOf('a', world.partitions) }
      const writer = await log.writer('w', NEVER)
      const many = Array.from({ length: 1_500 }, (_, place) => order('a', String(place)))
      for (const half of [many, many]) await commit(writer, half)
      const controller = new AbortController()
      const stop = new Error('stop')
      const reading = (async () => {
        for await (const _ of log.readTo(at, 0, { signal: controller.signal })) controller.abort(stop)
      })()
      await expect(reading).rejects.toBe(stop)
    })

    test('finds everything again after the log was closed and opened', async () => {
      const { world, log } = await begin(makeWorld)
      const at = { topic: ORDERS.name, partition: partitionOf('a', world.partitions) }
      const positions = [{ group: 'g', ...at, position: 2 }]
      placedOf(await write(log, 'w', { records: [order('a', '1'), order('a', '2')], positions }))
      const before = await readPartition(log, at)
      const reopened = await world.restart()
      expect(await readPartition(reopened, at)).toEqual(before)
      expect(await reopened.position('g', at, NEVER)).toBe(2)
      placedOf(await write(reopened, 'w', { records: [order('a', '3')] }))
      expect((await readPartition(reopened, at, before.position)).records.map(textOf)).toEqual(['3'])
    })
  })
}
