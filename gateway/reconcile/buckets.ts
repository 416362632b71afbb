import { hash } from 'node:crypto'
import type { BucketSum } from '../../adapters/contract.ts'

/** The bucket of a source key, as `Sweep` in the adapter contract puts it. */
export function bucketOf(key: string, buckets: number): number {
  return Number.parseInt(hash('md5', key, 'hex').slice(0, 8), 16) % buckets
}

/** How many rows there are in each bucket, and the sum of their fingerprints modulo 2^64. Flat: 12 bytes a bucket. */
export class Buckets {
  readonly #counts: Uint32Array
  readonly #sums: BigUint64Array

  readonly #size: number

  constructor(size: number) {
    this.#size = size
    this.#counts = new Uint32Array(size)
    this.#sums = new BigUint64Array(size)
  }

  /** How many rows were added. */
  rows = 0

  add(bucket: number, { count, sum }: Pick<BucketSum, 'count' | 'sum'>): void {
    this.rows += count
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count
    // The array itself wraps at 2^64.
    this.#sums[bucket] = (this.#sums[bucket] ?? 0n) + sum
  }

  count(bucket: number): number {
    return this.#counts[bucket] ?? 0
  }

  /** The buckets in which the two differ. */
  differing(other: Buckets): readonly number[] {
    const found: number[] = []
    for (let bucket = 0; bucket < this.#size; bucket += 1) {
      const isSame =
        this.#counts[bucket] === other.#counts[bucket] && this.#sums[bucket] === other.#sums[bucket]
      if (!isSame) found.push(bucket)
    }
    return found
  }
}

/** A fingerprint as the number that is summed; null where it is not one that the source computed. */
export function numberOf(fingerprint: string): bigint | null {
  return /^-?[0-9]{1,20}$/.test(fingerprint) ? BigInt(fingerprint) : null
}
