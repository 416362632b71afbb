/** Longest that a test waits for something to come true. */
const UNTIL_MS = 90_000

/** Looks again and again until it holds; fails when it does not in time. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(UNTIL_MS)
  while (!(await holds())) {
    if (limit.aborted) throw new Error(`It did not come true within ${UNTIL_MS} ms.`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
