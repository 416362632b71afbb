/**
 * Seeded chance. The same seed gives the same draws; a fork by name has a stream of its own, so that one more draw in
 * one part of a world moves nothing in another.
 */
export type Random = Readonly<{
  /** In [0, 1). */
  float(): number
  /** In [0, bound). */
  below(bound: number): number
  /** In [from, to). */
  between(from: number, to: number): number
  chance(probability: number): boolean
  /** One of a list that is not empty. */
  pick<Item>(items: readonly Item[]): Item
  bytes(length: number): Uint8Array
  fork(name: string): Random
}>

export function seededRandom(seed: string): Random {
  const next = generator(seed)
  const float = () => next() / 4_294_967_296
  const below = (bound: number) => Math.floor(float() * bound)
  return {
    float,
    below,
    between: (from, to) => from + below(to - from),
    chance: (probability) => float() < probability,
    pick(items) {
      const item = items[below(items.length)]
      if (item === undefined) throw new RangeError('Nothing to pick from.')
      return item
    },
    bytes: (length) => Uint8Array.from({ length }, () => next() & 255),
    fork: (name) => seededRandom(`${seed}/${name}`),
  }
}

/** sfc32 (Doty-Humphrey's small fast counter, 32 bit), seeded by four FNV-1a hashes of the seed. */
function generator(seed: string): () => number {
  let a = hash(seed, 0)
  let b = hash(seed, 1)
  let c = hash(seed, 2)
  let counter = hash(seed, 3)
  const next = () => {
    const result = (a + b + counter) >>> 0
    counter = (counter + 1) >>> 0
    a = (b ^ (b >>> 9)) >>> 0
    b = (c + (c << 3)) >>> 0
    c = ((c << 21) | (c >>> 11)) >>> 0
    c = (c + result) >>> 0
    return result
  }
  for (let round = 0; round < 15; round++) next()
  return next
}

function hash(text: string, salt: number): number {
  let value = (2_166_136_261 ^ salt) >>> 0
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 16_777_619) >>> 0
  }
  return value
}
