import { defineConfig } from 'vitest/config'

// Two projects: `quick` needs nothing, `real` needs services that scripts/services.ts brings up.
export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'quick', include: ['test/**/*.test.ts'], testTimeout: 20_000 },
      },
      {
        extends: true,
        test: {
          name: 'real',
          globalSetup: ['test/kit/services-setup.ts'],
          include: ['test/**/*.itest.ts', 'test/**/*.atest.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
