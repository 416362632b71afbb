import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { endianness } from 'node:os'

/**
 * Whether a write-ahead log has lost committed transactions. SQLite ends its recovery silently at the first frame that is
 * damaged. A crash can tear only the newest transaction, which nobody was told of, since each is on the disk before the
 * next begins; so where two or more commits stand behind a damaged frame, or the header itself is damaged, the disk has
 * lost what it had promised to keep. What damages the newest one alone looks like a crash: then the index beside it
 * (`-shm`), which outlives a killed process, says how many frames were committed. It is written after them, so it never
 * says too many. (File format: sqlite.org/fileformat2.html, section 4; sqlite.org/walformat.html, section 2.)
 */
export function hasLostCommits(wal: string, index: string): boolean {
  const file = openSync(wal, 'r')
  try {
    const bytes = fstatSync(file).size
    if (bytes <= HEADER_BYTES) return false
    const header = readAt(file, 0, HEADER_BYTES)
    const isBigEndian = (header.getUint32(0) & 1) === 1
    const sums = addSums([0, 0], header, 0, 24, isBigEndian)
    if (!isSum(sums, header, 24)) return true
    const { whole, lostCommits } = countFrames(file, bytes, header, sums, isBigEndian)
    return lostCommits >= 2 || whole < committedFrames(index, header)
  } finally {
    closeSync(file)
  }
}

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const FRAMES_AT_ONCE = 256

type Sums = readonly [number, number]

/** The frames before the first damaged one, and the commits behind it. */
function countFrames(
  file: number,
  bytes: number,
  header: DataView,
  first: Sums,
  isBigEndian: boolean,
): Readonly<{ whole: number; lostCommits: number }> {
  const frameBytes = FRAME_HEADER_BYTES + header.getUint32(8)
  let sums = first
  let isWhole = true
  let whole = 0
  let lostCommits = 0
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
      if (isWhole) whole += 1
      else if (isOfThisRound && frames.getUint32(at + 4) !== 0) lostCommits += 1
    }
  }
  return { whole, lostCommits }
}

/**
 * How many frames of this round the index says are committed; 0 where there is none, or it is of another round, or
 * damaged, or torn: then it says nothing. Its numbers are in the byte order of the machine, salts as they are in the log.
 */
function committedFrames(path: string, header: DataView): number {
  if (!existsSync(path)) return 0
  const bytes = readFileSync(path)
  if (bytes.length < 2 * INDEX_HEADER_BYTES) return 0
  const index = new DataView(bytes.buffer, bytes.byteOffset, INDEX_HEADER_BYTES)
  const copy = bytes.subarray(INDEX_HEADER_BYTES, 2 * INDEX_HEADER_BYTES)
  const isTorn = !copy.equals(bytes.subarray(0, INDEX_HEADER_BYTES))
  const [one, two] = addSums([0, 0], index, 0, 40, IS_BIG_ENDIAN)
  const isDamaged = index.getUint32(40, !IS_BIG_ENDIAN) !== one || index.getUint32(44, !IS_BIG_ENDIAN) !== two
  const isOfThisRound =
    index.getUint32(32) === header.getUint32(16) && index.getUint32(36) === header.getUint32(20)
  return isTorn || isDamaged || !isOfThisRound ? 0 : index.getUint32(16, !IS_BIG_ENDIAN)
}

const INDEX_HEADER_BYTES = 48
const IS_BIG_ENDIAN = endianness() === 'BE'

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
