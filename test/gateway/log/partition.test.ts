import { expect, test } from 'vitest'
import { murmur2, partitionOf } from '../../../gateway/log/partition.ts'
import table from '../../kit/keys-and-partitions.json' with { type: 'json' }

/** The vectors of Kafka's own test of its Java client (UtilsTest). */
const KAFKA_VECTORS: Readonly<Record<string, number>> = {
  '21': -973932308,
  foobar: -790332482,
  'a-little-bit-long-string': -985981536,
  'a-little-bit-longer-string': -1486304829,
  lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
  abc: 479470107,
}

test('hashes as the Java client of Kafka does', () => {
  const hashes = Object.keys(KAFKA_VECTORS).map((key) => [key, murmur2(new TextEncoder().encode(key))])
  expect(Object.fromEntries(hashes)).toEqual(KAFKA_VECTORS)
})

test('hashes every key of the table as the implementation in another language did', () => {
  for (const { key, hash } of table.keys)
    expect([key, murmur2(new TextEncoder().encode(key))]).toEqual([key, hash])
})

test('places every key of the table', () => {
  for (const { key, partitions } of table.keys) {
    for (const [count, partition] of Object.entries(partitions)) {
      expect([key, count, partitionOf(key, Number(count))]).toEqual([key, count, partition])
    }
  }
})

test('places a record without a key in partition 0', () => {
  expect(partitionOf(null, 12)).toBe(0)
})
