# Quarry alone: its databases are given by DATABASE_URL and PLAYGROUND_URL, see docker-compose.yml.
FROM node:24.21.0-bookworm-slim

ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    DATA_DIR=/data
WORKDIR /quarry

# Before the sources, so that an edit of these does not install anew.
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --loglevel=error --no-audit --no-fund

COPY scripts/setup.sh scripts/setup.sh
COPY prisma/migrations prisma/migrations
COPY src src

RUN mkdir /data && chown node:node /data
VOLUME /data
USER node
EXPOSE 4000

# Migrations are applied at start, before the port opens.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 4000) + '/ready').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

CMD ["npm", "start"]
