import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/**
 * Whether a write-ahead log has lost committed transactions in its middle. SQLite ends its recovery silently at the
 * first frame that is damaged. A crash can tear only the newest transaction, which nobody was told of, since each is
 * on the disk before the next begins; so where two or more commits stand behind a damaged frame, or the header itself
 * is damaged, the disk has lost what it had promised to keep. (File format: sqlite.org/fileformat2.html, section 4.)
 */
export function hasLostCommits(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const bytes = fstatSync(file).size
    if (bytes <= HEADER_BYTES) return false
    const header = readAt(file, 0, HEADER_BYTES)
    const isBigEndian = (header.getUint32(0) & 1) === 1
    const sums = addSums([0, 0], header, 0, 24, isBigEndian)
    if (!isSum(sums, header, 24)) return true
    return countLostCommits(file, bytes, header, sums, isBigEndian) >= 2
  } finally {
    closeSync(file)
  }
}

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const FRAMES_AT_ONCE = 256

type Sums = readonly [number, number]

function countLostCommits(
  file: number,
  bytes: number,
  header: DataView,
  first: Sums,
  isBigEndian: boolean,
): number {
  const frameBytes = FRAME_HEADER_BYTES + header.getUint32(8)
  let sums = first
  let isWhole = true
  let commits = 0
  for (let place = HEADER_BYTES; place + frameBytes <= bytes; place += frameBytes * FRAMES_AT_ONCE) {
    const frames = readAt(file, place, Math.min(frameBytes * FRAMES_AT_ONCE, bytes - place))
    for (let at = 0; at + frameBytes <= frames.byteLength; at += frameBytes) {
      // Frames of an earlier round through the file have other salts: the end of this one.
      const isOfThisRound =
        frames.getUint32(at + 8) === header.getUint32(16) &&
        frames.getUint32(at + 12) === header.getUint32(20)
      if (isWhole && isOfThisRound) {
        sums = addSums(sums, frames, at, 8, isBigEndian)
        sums = addSums(sums, frames, at + FRAME_HEADER_BYTES, frameBytes - FRAME_HEADER_BYTES, isBigEndian)
      }
      isWhole &&= isOfThisRound && isSum(sums, frames, at + 16)
      if (!isWhole && isOfThisRound && frames.getUint32(at + 4) !== 0) commits += 1
    }
  }
  return commits
}

function addSums(start: Sums, view: DataView, from: number, length: number, isBigEndian: boolean): Sums {
  let [one, two] = start
  for (let at = from; at < from + length; at += 8) {
    one = (one + view.getUint32(at, !isBigEndian) + two) >>> 0
    two = (two + view.getUint32(at + 4, !isBigEndian) + one) >>> 0
  }
  return [one, two]
}

function isSum([one, two]: Sums, view: DataView, at: number): boolean {
  return view.getUint32(at) === one && view.getUint32(at + 4) === two
}

function readAt(file: number, place: number, length: number): DataView {
  const bytes = new Uint8Array(length)
  const read = readSync(file, bytes, 0, length, place)
  return new DataView(bytes.buffer, 0, read)
}
