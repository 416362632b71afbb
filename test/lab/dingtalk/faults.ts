import { z } from 'zod'

/**
 * What can go wrong on purpose. `reset-before`: the connection breaks and nothing was taken. `reset-after`: it breaks
 * after the request was carried out. `truncated`: carried out, and half of the answer arrives.
 */
const FAULTS = [
  'html',
  'barred',
  '500',
  '503',
  'slow',
  'reset-before',
  'reset-after',
  'throttle',
  'truncated',
  'token',
] as const

export const FaultShape = z.strictObject({
  /** The path begins with this. */
  path: z.string().startsWith('/'),
  kind: z.enum(FAULTS),
  /** How many requests it hits. */
  times: z.int().positive().default(1),
  /** How many fitting requests pass before. */
  after: z.int().nonnegative().default(0),
  /** For `slow`: the answer comes so much later. */
  delayMs: z.int().nonnegative().default(0),
})

export type Fault = z.output<typeof FaultShape>

/** The fault that hits a request to this path, used up by it; or null. */
export function takeFault(faults: Fault[], path: string): Fault | null {
  for (const [place, fault] of faults.entries()) {
    if (!path.startsWith(fault.path)) continue
    if (fault.after > 0) {
      fault.after -= 1
      continue
    }
    fault.times -= 1
    if (fault.times === 0) faults.splice(place, 1)
    return fault
  }
  return null
}
