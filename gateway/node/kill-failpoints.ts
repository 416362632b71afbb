import type { FailpointName, Failpoints } from '../runtime.ts'
import { FAILPOINTS, NO_FAILPOINTS } from '../runtime.ts'

/** Which step ends what: the whole process as `kill -9` does, or only the thread that reaches the step. */
export type FailpointSetting = Readonly<{ name: FailpointName; nth: number; ends: 'process' | 'thread' }>

/** Ends this process (or thread) without any clean-up when the step is reached for the nth time. For tests. */
export function killAt(
  name: FailpointName,
  nth: number,
  ends: FailpointSetting['ends'] = 'process',
): Failpoints {
  let count = 0
  return {
    hit(reached) {
      if (reached !== name) return
      count += 1
      if (count !== nth) return
      if (ends === 'thread') process.exit(1)
      process.kill(process.pid, 'SIGKILL')
      // Nothing after the failpoint may happen, even if the signal takes a moment.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    },
  }
}

/** Those of a setting; none without one. */
export function failpointsOf(setting: FailpointSetting | null): Failpoints {
  return setting === null ? NO_FAILPOINTS : killAt(setting.name, setting.nth, setting.ends)
}

/** Reads `log.before-commit:3` (third time) or `log.before-commit` (first time). Throws where it names no step. */
export function readFailpoint(text: string): FailpointSetting {
  const [step = '', count = '1', ...more] = text.split(':')
  const name = FAILPOINTS.find((known) => known === step)
  if (name === undefined || more.length > 0 || !/^[1-9][0-9]{0,8}$/.test(count)) {
    throw new Error(
      `"${text}" is no failpoint; write one of ${FAILPOINTS.join(', ')}, then :N for the Nth time.`,
    )
  }
  return { name, nth: Number(count), ends: 'process' }
}
