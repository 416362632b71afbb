import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run } from '../services/run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BUILD_MS = 120_000

/** Builds the package as `npm pack` does, and answers its program: what users run, without TypeScript in its memory. */
export async function buildProgram(): Promise<string> {
  rmSync(new URL('../../dist', import.meta.url), { recursive: true, force: true })
  const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
  const built = await run(process.execPath, [compiler, '--project', 'tsconfig.build.json'], {
    folder: ROOT,
    timeoutMs: BUILD_MS,
  })
  if (!built.ok) throw new Error(`The package could not be built: ${built.reason}\n${built.output}`)
  return fileURLToPath(new URL('../../dist/gateway/main.js', import.meta.url))
}
