import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { illegalError } from './adapter-bench.ts'
import { COMMAND_CHECKS } from './adapter-command-checks.ts'
import { DECLARED_CHECKS } from './adapter-declared-checks.ts'
import { READING_CHECKS } from './adapter-reading-checks.ts'
import { SESSION_CHECKS, SETTINGS_CHECKS } from './adapter-settings-checks.ts'
import { TROUBLE_CHECKS } from './adapter-trouble-checks.ts'
import type { AdapterCheck, AdapterSubject } from './adapter-world.ts'

export type { AdapterWorld, CommandWorld } from './adapter-world.ts'

/** Every promise that an adapter makes; `adapters/README.md` names them. */
export const ADAPTER_CHECKS: readonly AdapterCheck[] = [
  ...SETTINGS_CHECKS,
  ...SESSION_CHECKS,
  ...READING_CHECKS,
  ...TROUBLE_CHECKS,
  ...DECLARED_CHECKS,
  ...COMMAND_CHECKS,
]

/** Holds an adapter to its promises, one test for each. The world is all that a test supplies. */
export function testAdapter<Connection extends z.ZodType, Feed extends z.ZodObject, Transport>(
  title: string,
  subject: AdapterSubject<Connection, Feed, Transport>,
): void {
  describe(title, () => {
    for (const check of ADAPTER_CHECKS)
      test(check.name, async () => {
        expect(await violations(check, subject)).toEqual([])
      })
  })
}

/** What speaks against an adapter in one check; a check that throws speaks against it as well. */
export async function violations<Connection extends z.ZodType, Feed extends z.ZodObject, Transport>(
  check: AdapterCheck,
  subject: AdapterSubject<Connection, Feed, Transport>,
): Promise<readonly string[]> {
  try {
    return await check.run(subject)
  } catch (error) {
    const faults = illegalError(error, 'the adapter')
    return faults.length > 0 ? faults : [`it failed without cause: ${String(error)}`]
  }
}
