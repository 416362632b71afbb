import type { Source } from '../lane/source.ts'
import type { Configured } from './configuration.ts'
import type { World } from './world.ts'

/** Looks at a source without the past of its lanes, beside a running gateway too, and lets go of it again. */
export async function inspecting<Answer>(
  world: World,
  { config, language }: Configured,
  name: string,
  use: (source: Source) => Promise<Answer>,
): Promise<Answer> {
  const source = world.inspect(config, language, name)
  try {
    return await use(source)
  } finally {
    await source.close()
  }
}
