import { CannotOpen, type Opened, type Way } from '../services.ts'
import { canInstall, install, programAt } from './debian.ts'
import { run } from './run.ts'

/** Chromium for screenshots, with fonts that hold Chinese; its `url` is the path of the program. */
export const chromium: readonly Way[] = [{ name: 'Debian package', open }]

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

async function open(): Promise<Opened> {
  const missing = [
    ...(find() === null ? ['chromium'] : []),
    ...((await drawsChinese()) ? [] : ['fonts-noto-cjk']),
  ]
  if (missing.includes('chromium') || (missing.length > 0 && canInstall())) await install(missing)
  const path = find()
  if (path === null) throw new CannotOpen('no chromium in PATH after the installation', true)
  return { url: path, stop: async () => undefined }
}

function find(): string | null {
  return PROGRAMS.map(programAt).find((path) => path !== null) ?? null
}

async function drawsChinese(): Promise<boolean> {
  const fonts = await run('fc-list', [':lang=zh-cn', 'family'], { timeoutMs: 20_000 })
  return fonts.ok && fonts.output.trim() !== ''
}
