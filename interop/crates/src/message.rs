//! Every message of the crates: bytes to a typed message, its fields as text, and back to bytes; and random ones.

use binary_sv2::GetSize;
use codec_sv2::{Decoded, Decoder, Encoder, MessageFrame, SerializedFrame};
use parsers_sv2::{
    AnyMessage, AnyMessageOwned, CommonMessagesOwned, ExtensionsNegotiationOwned, ExtensionsOwned, IsSv2Message,
    JobDeclarationOwned, MiningOwned, TemplateDistributionOwned,
};

use crate::pipe::{Answer, Outcome, Parts};
use crate::random::Source;
use crate::value::Value;

/// A message as the crates' parsers have it.
macro_rules! any {
    (common $name:ident $message:ident) => {
        AnyMessageOwned::Common(CommonMessagesOwned::$name($message))
    };
    (mining $name:ident $message:ident) => {
        AnyMessageOwned::Mining(MiningOwned::$name($message))
    };
    (job_declaration $name:ident $message:ident) => {
        AnyMessageOwned::JobDeclaration(JobDeclarationOwned::$name($message))
    };
    (template_distribution $name:ident $message:ident) => {
        AnyMessageOwned::TemplateDistribution(TemplateDistributionOwned::$name($message))
    };
    (negotiation $name:ident $message:ident) => {
        AnyMessageOwned::Extensions(ExtensionsOwned::ExtensionsNegotiation(ExtensionsNegotiationOwned::$name($message)))
    };
}

/// From a list of messages with their fields: how each is shown and drawn. A field that is not listed does not compile.
macro_rules! messages {
    ($($protocol:ident $name:ident = $library:ident::$type:ident { $($field:ident),* })*) => {
        fn show(message: &AnyMessageOwned, out: &mut String) {
            match message {
                $(any!($protocol $name message) => {
                    let $library::$type { $($field),* } = message;
                    out.push_str(concat!("{\"_tag\":\"", stringify!($name), "\""));
                    $(
                        out.push_str(concat!(",\"", stringify!($field), "\":"));
                        $field.show(out);
                    )*
                    out.push('}');
                })*
            }
        }

        fn draw(protocol: &str, name: &str, source: &mut Source) -> Option<AnyMessageOwned> {
            $(if protocol == stringify!($protocol) && name == stringify!($name) {
                let message = $library::$type { $($field: Value::draw(source)),* };
                return Some(any!($protocol $name message));
            })*
            None
        }
    };
}

messages! {
    common SetupConnection = common_messages_sv2::SetupConnectionOwned {
        protocol, min_version, max_version, flags, endpoint_host, endpoint_port, vendor, hardware_version, firmware, device_id
    }
    common SetupConnectionSuccess = common_messages_sv2::SetupConnectionSuccessOwned { used_version, flags }
    common SetupConnectionError = common_messages_sv2::SetupConnectionErrorOwned { flags, error_code }
    common ChannelEndpointChanged = common_messages_sv2::ChannelEndpointChangedOwned { channel_id }
    common Reconnect = common_messages_sv2::ReconnectOwned { new_host, new_port }

    mining OpenStandardMiningChannel = mining_sv2::OpenStandardMiningChannelOwned {
        request_id, user_identity, nominal_hash_rate, max_target
    }
    mining OpenStandardMiningChannelSuccess = mining_sv2::OpenStandardMiningChannelSuccessOwned {
        request_id, channel_id, target, extranonce_prefix, group_channel_id
    }
    mining OpenExtendedMiningChannel = mining_sv2::OpenExtendedMiningChannelOwned {
        request_id, user_identity, nominal_hash_rate, max_target, min_extranonce_size
    }
    mining OpenExtendedMiningChannelSuccess = mining_sv2::OpenExtendedMiningChannelSuccessOwned {
        request_id, channel_id, target, extranonce_size, extranonce_prefix, group_channel_id
    }
    mining OpenMiningChannelError = mining_sv2::OpenMiningChannelErrorOwned { request_id, error_code }
    mining NewMiningJob = mining_sv2::NewMiningJobOwned { channel_id, job_id, min_ntime, version, merkle_root }
    mining UpdateChannel = mining_sv2::UpdateChannelOwned { channel_id, nominal_hash_rate, maximum_target }
    mining UpdateChannelError = mining_sv2::UpdateChannelErrorOwned { channel_id, error_code }
    mining CloseChannel = mining_sv2::CloseChannelOwned { channel_id, reason_code }
    mining SetExtranoncePrefix = mining_sv2::SetExtranoncePrefixOwned { channel_id, extranonce_prefix }
    mining SubmitSharesStandard = mining_sv2::SubmitSharesStandardOwned {
        channel_id, sequence_number, job_id, nonce, ntime, version
    }
    mining SubmitSharesExtended = mining_sv2::SubmitSharesExtendedOwned {
        channel_id, sequence_number, job_id, nonce, ntime, version, extranonce
    }
    mining SubmitSharesSuccess = mining_sv2::SubmitSharesSuccessOwned {
        channel_id, last_sequence_number, new_submits_accepted_count, new_shares_sum
    }
    mining SubmitSharesError = mining_sv2::SubmitSharesErrorOwned { channel_id, sequence_number, error_code }
    mining NewExtendedMiningJob = mining_sv2::NewExtendedMiningJobOwned {
        channel_id, job_id, min_ntime, version, version_rolling_allowed, merkle_path, coinbase_tx_prefix,
        coinbase_tx_suffix
    }
    mining SetNewPrevHash = mining_sv2::SetNewPrevHashOwned { channel_id, job_id, prev_hash, min_ntime, nbits }
    mining SetTarget = mining_sv2::SetTargetOwned { channel_id, maximum_target }
    mining SetCustomMiningJob = mining_sv2::SetCustomMiningJobOwned {
        channel_id, request_id, token, version, prev_hash, min_ntime, nbits, coinbase_tx_version, coinbase_prefix,
        coinbase_tx_input_n_sequence, coinbase_tx_outputs, coinbase_tx_locktime, merkle_path
    }
    mining SetCustomMiningJobSuccess = mining_sv2::SetCustomMiningJobSuccessOwned { channel_id, request_id, job_id }
    mining SetCustomMiningJobError = mining_sv2::SetCustomMiningJobErrorOwned { channel_id, request_id, error_code }
    mining SetGroupChannel = mining_sv2::SetGroupChannelOwned { group_channel_id, channel_ids }

    job_declaration AllocateMiningJobToken = job_declaration_sv2::AllocateMiningJobTokenOwned {
        user_identifier, request_id
    }
    job_declaration AllocateMiningJobTokenSuccess = job_declaration_sv2::AllocateMiningJobTokenSuccessOwned {
        request_id, mining_job_token, coinbase_outputs
    }
    job_declaration ProvideMissingTransactions = job_declaration_sv2::ProvideMissingTransactionsOwned {
        request_id, unknown_tx_position_list
    }
    job_declaration ProvideMissingTransactionsSuccess = job_declaration_sv2::ProvideMissingTransactionsSuccessOwned {
        request_id, transaction_list
    }
    job_declaration DeclareMiningJob = job_declaration_sv2::DeclareMiningJobOwned {
        request_id, mining_job_token, version, coinbase_tx_prefix, coinbase_tx_suffix, wtxid_list, excess_data
    }
    job_declaration DeclareMiningJobSuccess = job_declaration_sv2::DeclareMiningJobSuccessOwned {
        request_id, new_mining_job_token
    }
    job_declaration DeclareMiningJobError = job_declaration_sv2::DeclareMiningJobErrorOwned {
        request_id, error_code, error_details
    }
    job_declaration PushSolution = job_declaration_sv2::PushSolutionOwned {
        extranonce, prev_hash, nonce, ntime, nbits, version
    }

    template_distribution CoinbaseOutputConstraints = template_distribution_sv2::CoinbaseOutputConstraintsOwned {
        coinbase_output_max_additional_size, coinbase_output_max_additional_sigops
    }
    template_distribution NewTemplate = template_distribution_sv2::NewTemplateOwned {
        template_id, future_template, version, coinbase_tx_version, coinbase_prefix, coinbase_tx_input_sequence,
        coinbase_tx_value_remaining, coinbase_tx_outputs_count, coinbase_tx_outputs, coinbase_tx_locktime, merkle_path
    }
    template_distribution SetNewPrevHash = template_distribution_sv2::SetNewPrevHashOwned {
        template_id, prev_hash, header_timestamp, n_bits, target
    }
    template_distribution RequestTransactionData = template_distribution_sv2::RequestTransactionDataOwned { template_id }
    template_distribution RequestTransactionDataSuccess = template_distribution_sv2::RequestTransactionDataSuccessOwned {
        template_id, excess_data, transaction_list
    }
    template_distribution RequestTransactionDataError = template_distribution_sv2::RequestTransactionDataErrorOwned {
        template_id, error_code
    }
    template_distribution SubmitSolution = template_distribution_sv2::SubmitSolutionOwned {
        template_id, version, header_timestamp, header_nonce, coinbase_tx
    }

    negotiation RequestExtensions = extensions_sv2::RequestExtensionsOwned { request_id, requested_extensions }
    negotiation RequestExtensionsSuccess = extensions_sv2::RequestExtensionsSuccessOwned {
        request_id, supported_extensions
    }
    negotiation RequestExtensionsError = extensions_sv2::RequestExtensionsErrorOwned {
        request_id, unsupported_extensions, required_extensions
    }
}

/// The whole plain frame of a message, by the crates' encoder and with the crates' numbers for it.
pub fn frame_of(message: AnyMessageOwned) -> Result<MessageFrame<AnyMessageOwned>, String> {
    let (message_type, extension, channel) = (message.message_type(), message.extension_type(), message.channel_bit());
    MessageFrame::from_message(message, message_type, extension, channel).map_err(|error| format!("{error:?}"))
}

fn encode(message: AnyMessageOwned) -> Outcome {
    let bytes = Encoder::new().encode(frame_of(message)?).map_err(|error| format!("{error:?}"))?;
    Ok(bytes.to_vec())
}

/// The one frame that these bytes are, by the crates' decoder.
pub fn read_frame(bytes: &[u8]) -> Result<SerializedFrame, String> {
    let mut decoder = Decoder::new();
    let mut at = 0;
    loop {
        let room = decoder.writable();
        let end = at + room.len();
        room.copy_from_slice(bytes.get(at..end).ok_or("the frame is longer than its bytes")?);
        at = end;
        match decoder.next_frame().map_err(|error| format!("{error:?}"))? {
            Decoded::Frame(_) if at < bytes.len() => return Err("bytes follow the frame".into()),
            Decoded::Frame(frame) => return Ok(frame),
            Decoded::Incomplete(_) => {}
        }
    }
}

pub fn typed(frame: &mut SerializedFrame) -> Result<AnyMessageOwned, String> {
    let header = frame.header();
    let message = AnyMessage::try_from((header, frame.payload())).map_err(|error| format!("{error:?}"))?;
    Ok(message.into_owned())
}

/// The length of the view, the view, and the frame anew.
fn with_view(message: AnyMessageOwned) -> Outcome {
    let mut view = String::new();
    show(&message, &mut view);
    let size = message.get_size();
    let bytes = encode(message)?;
    if size + 6 != bytes.len() {
        return Err(format!("the crates say {size} bytes and write {}", bytes.len() - 6));
    }
    let mut body = Vec::with_capacity(4 + view.len() + bytes.len());
    body.extend_from_slice(&(view.len() as u32).to_le_bytes());
    body.extend_from_slice(view.as_bytes());
    body.extend_from_slice(&bytes);
    Ok(body)
}

/// Request 1: A plain frame: what the crates read from it, and the frame that they make of that.
pub fn parse(body: &[u8]) -> Outcome {
    with_view(typed(&mut read_frame(body)?)?)
}

/// Request 2: A seed (u64), how many (u32), how many of them with all lengths at their limits (u32), and a protocol and a message's name
/// as they stand above, `mining.SetTarget`: so many answers as `parse` gives, with random messages.
pub fn generate<W: std::io::Write>(body: &[u8], answer: &mut Answer<'_, W>) -> std::io::Result<()> {
    let mut parts = Parts(body);
    let read = |parts: &mut Parts| -> Result<(u64, u32, u32), String> {
        Ok((u64::from_le_bytes(parts.array()?), parts.u32()?, parts.u32()?))
    };
    let (seed, count, extreme) = match read(&mut parts) {
        Ok(numbers) => numbers,
        Err(why) => return answer.give(|| Err(why)),
    };
    let name = String::from_utf8_lossy(parts.0).into_owned();
    let (protocol, name) = name.split_once('.').unwrap_or_default();
    let mut source = Source::new(seed);
    for index in 0..count {
        answer.give(|| {
            source.begin(index < extreme);
            with_view(draw(protocol, name, &mut source).ok_or_else(|| format!("there is no {protocol}.{name}"))?)
        })?;
    }
    Ok(())
}
