// An OpenID provider that runs as the tests tell it: who signs in, with which claims, and what is wrong with it.
// GET /tell?<JSON> changes it; the library itself is the certified one, and is not touched.
import * as http from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, callback] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const told = { account: 'u1', claims: {}, acr: undefined, amr: undefined, skew: 0, wrongKey: false };
const key = (kid) => ({ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' });
const [own, foreign] = [key('k'), key('k')]; // of one name: whoever has the one cannot tell by it that this is the other

function made(signing) {
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'hortus', client_secret: 'a-secret-of-the-tests', redirect_uris: [callback], token_endpoint_auth_method: 'client_secret_basic' }],
    jwks: { keys: [signing] },
    claims: { openid: ['sub', 'acr', 'amr', 'auth_time'], email: ['email', 'email_verified'], profile: ['name', 'country', 'ror', 'npo', 'orcid'] },
    acrValues: ['mfa', 'pwd'],
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, interaction) => `/enter/${interaction.uid}` },
    cookies: { keys: ['of the tests'] },
    ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Session: 600, Grant: 600 },
    async findAccount(_ctx, sub) { return { accountId: sub, claims: async () => ({ sub, ...told.claims }) }; },
  });
  provider.on('server_error', (_ctx, error) => console.error(error));
  return provider;
}

const [honest, impostor] = [made(own), made(foreign)];
// The impostor signs with a key that the published set does not hold: codes are shared, keys are not.
async function enter(provider, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const result = {};
  if (prompt.name === 'login') result.login = { accountId: told.account, acr: told.acr, amr: told.amr, remember: false };
  else {
    const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(prompt.details.missingOIDCScope?.join(' ') ?? '');
    grant.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
    result.consent = { grantId: await grant.save() };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const clock = Date.now.bind(Date);
http.createServer(async (request, response) => {
  const provider = told.wrongKey && !request.url.startsWith('/jwks') ? impostor : honest;
  if (request.url.startsWith('/tell?')) {
    Object.assign(told, JSON.parse(decodeURIComponent(request.url.slice(6))));
    Date.now = () => clock() + told.skew * 1000;
    response.end('told\n');
  } else if (request.url.startsWith('/enter/')) {
    await enter(provider, request, response).catch((error) => { response.statusCode = 400; response.end(String(error)); });
  } else provider.callback()(request, response);
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));
