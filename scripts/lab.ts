import { parseArgs } from 'node:util'
import { startDingTalk } from '../test/lab/dingtalk/server.ts'

/** Systems that stand in for those of a company; each runs until it is interrupted. */
const LABS: Readonly<
  Record<string, Readonly<{ summary: string; run(port: number): Promise<() => Promise<void>> }>>
> = {
  dingtalk: {
    summary: 'the DingTalk emulator with its page, and its control plane under /__emu/',
    async run(port) {
      const dingtalk = await startDingTalk({ port, control: true })
      console.log(
        `DingTalk emulator: ${dingtalk.origin}  (dingtalk.api and dingtalk.oapi; the same address in a browser)`,
      )
      return () => dingtalk.close()
    },
  },
}

function usage(): string {
  const names = Object.entries(LABS).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`)
  return ['npm run lab -- NAME [--port N]', ...names, 'Example: npm run lab -- dingtalk --port 8123'].join(
    '\n',
  )
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { port: { type: 'string', default: '0' }, help: { type: 'boolean', default: false } },
  })
  const lab = LABS[positionals[0] ?? '']
  if (lab === undefined || values.help || !/^\d+$/.test(values.port)) {
    console.log(usage())
    process.exitCode = values.help ? 0 : 2
  } else {
    const stop = await lab.run(Number(values.port))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop())
  }
}
