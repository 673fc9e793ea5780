# One image for every role: `docker run tiding worker`, `... coordinator`, `... simulate`.
FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
# What is compiled for tests and benches stays behind.
RUN npm run build && rm -rf dist/test dist/scripts dist/bench/engine

FROM node:22-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
RUN chmod +x dist/cli/bin.js && ln -s /app/dist/cli/bin.js /usr/local/bin/tiding \
  && mkdir /datasets && chown node:node /datasets
USER node
# A worker and a coordinator say at /health whether something keeps them from their work; they serve it where --metrics
# tells them to. The simulated endpoint has a /health of its own.
ENV TIDING_HEALTH_URL=http://127.0.0.1:9464/health
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["node", "-e", \
  "fetch(process.env.TIDING_HEALTH_URL).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tiding"]
