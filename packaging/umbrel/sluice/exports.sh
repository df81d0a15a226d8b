# Umbrel's Bitcoin app names its chains otherwise.
case "${APP_BITCOIN_NETWORK:-mainnet}" in
  mainnet) export APP_SLUICE_CHAIN="main" ;;
  testnet) export APP_SLUICE_CHAIN="test" ;;
  *) export APP_SLUICE_CHAIN="${APP_BITCOIN_NETWORK}" ;;
esac
