import { randomBytes } from 'node:crypto'
import type { Runtime } from '../runtime.ts'

/** The real time, timers and randomness of this process. */
export function createRuntime(): Runtime {
  return {
    wall: () => Date.now(),
    mono: () => process.hrtime.bigint(),
    sleep,
    deadline: (ms) => AbortSignal.timeout(Math.min(Math.max(0, Math.ceil(ms)), TIMER_MS_MAX)),
    uuid: createUuid(),
    bytes: (length) => new Uint8Array(randomBytes(length)),
    float: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  }
}

/** A timer of Node with a longer delay fires at once, so long sleeps are made of several. */
const TIMER_MS_MAX = 2 ** 31 - 1

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  let leftMs = ms
  do {
    const partMs = Math.min(leftMs, TIMER_MS_MAX)
    await sleepPart(partMs, signal)
    leftMs -= partMs
  } while (leftMs > 0)
}

function sleepPart(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', aborted)
      resolve()
    }, ms)
    signal.addEventListener('abort', aborted, { once: true })
  })
}

/**
 * UUIDv7 (RFC 9562, 6.2 method 1): 48 bits of epoch ms, then 12 bits that count within one millisecond, then
 * randomness. Ids of one runtime rise strictly, also where the clock stands still or steps back.
 */
function createUuid(): () => string {
  let lastMs = 0
  let count = 0
  return () => {
    const random = randomBytes(10)
    const nowMs = Date.now()
    if (nowMs > lastMs) {
      lastMs = nowMs
      // The upper half of the counter stays free for more ids in the same millisecond.
      count = random.readUInt16BE(0) & 0x7ff
    } else if (count < 0xfff) {
      count += 1
    } else {
      lastMs += 1
      count = random.readUInt16BE(0) & 0x7ff
    }
    const time = lastMs.toString(16).padStart(12, '0')
    random.writeUInt8((random.readUInt8(2) & 0x3f) | 0x80, 2)
    const rest = random.toString('hex', 2)
    const counter = count.toString(16).padStart(3, '0')
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${rest.slice(0, 4)}-${rest.slice(4)}`
  }
}
