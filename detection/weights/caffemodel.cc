#include "rcnn/detection/weights/caffemodel.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/repeated_field.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/borrowed_tensor.h"
#include "rcnn/detection/weights/caffe.pb.h"

namespace rcnn::detection::weights {
namespace {

using ::google::protobuf::RepeatedField;
using ::google::protobuf::internal::WireFormatLite;

// More layers than any network has, and far fewer than a file of empty layers could hold.
constexpr int kMaxLayers = 100'000;
constexpr int kMaxBlobs = 64;  // of a layer
constexpr size_t kMaxBlobsOfNet = 50'000;
// An empty blob of two bytes takes several hundred in memory.
constexpr size_t kFreeBlobs = 200;
constexpr size_t kBytesPerBlob = 32;
constexpr uint32_t kMaxTextBytes = 4096;
// A layer's name is copied to each of its blobs.
constexpr size_t kFreeNameBytes = size_t{1} << 20;
constexpr size_t kNameBytesPerByte = 4;
constexpr int kMaxDimensions = 32;

constexpr int kV1InnerProduct = 14;

constexpr uint32_t LengthDelimited(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

constexpr uint32_t Varint(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_VARINT);
}

// The differences between V1 and V2.
struct LayerFields {
  uint32_t name;
  uint32_t type;
  uint32_t blobs;
};

constexpr LayerFields kV1 = {LengthDelimited(caffe::V1LayerParameter::kNameFieldNumber),
                             Varint(caffe::V1LayerParameter::kTypeFieldNumber),
                             LengthDelimited(caffe::V1LayerParameter::kBlobsFieldNumber)};
constexpr LayerFields kV2 = {LengthDelimited(caffe::LayerParameter::kNameFieldNumber),
                             LengthDelimited(caffe::LayerParameter::kTypeFieldNumber),
                             LengthDelimited(caffe::LayerParameter::kBlobsFieldNumber)};
constexpr uint32_t kV0Layer = LengthDelimited(caffe::V1LayerParameter::kLayerFieldNumber);

struct Layer {
  std::string name;
  bool is_inner_product = false;
  std::vector<caffe::BlobProto> blobs;
};

std::string BlobName(const Layer& layer, size_t index) {
  if (index == 0) return layer.name + ".weight";
  if (index == 1) return layer.name + ".bias";
  return absl::StrCat(layer.name, ".blob", index);
}

// The shape as the message has it, or four dimensions.
std::vector<int64_t> DeclaredShape(const caffe::BlobProto& blob) {
  if (blob.has_shape()) return {blob.shape().dim().begin(), blob.shape().dim().end()};
  return {blob.num(), blob.channels(), blob.height(), blob.width()};
}

std::vector<int64_t> MeantShape(const caffe::BlobProto& blob, bool is_inner_product, size_t index) {
  std::vector<int64_t> shape = DeclaredShape(blob);
  if (blob.has_shape() || shape[0] != 1 || shape[1] != 1) return shape;
  if (index == 1 && shape[2] == 1) return {shape[3]};
  if (index == 0 && is_inner_product) return {shape[2], shape[3]};
  return shape;
}

absl::StatusOr<int64_t> CountElements(const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  if (shape.size() > kMaxDimensions) return absl::InvalidArgumentError("has too many dimensions");
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements)) {
      return absl::InvalidArgumentError(absl::StrCat("has shape ", ShapeString(shape)));
    }
  }
  return elements;
}

// The tensor takes ownership of the elements.
template <typename T>
at::Tensor TakeElements(RepeatedField<T>* elements, const std::vector<int64_t>& shape) {
  auto owned = std::make_shared<RepeatedField<T>>();
  owned->Swap(elements);
  return BorrowedTensor(owned->data(), shape, ContiguousStrides(shape),
                        c10::CppTypeToScalarType<T>::value, owned);
}

absl::StatusOr<at::Tensor> BlobTensor(caffe::BlobProto& blob, std::vector<int64_t> shape) {
  RCNN_ASSIGN_OR_RETURN(const int64_t elements, CountElements(shape));
  const int64_t floats = blob.data_size();
  const int64_t doubles = blob.double_data_size();
  if ((floats > 0 && doubles > 0) || floats + doubles != elements) {
    return absl::InvalidArgumentError(absl::StrCat("has shape ", ShapeString(shape), " and ",
                                                   floats, " floats, ", doubles, " doubles"));
  }
  return doubles > 0 ? TakeElements(blob.mutable_double_data(), shape)
                     : TakeElements(blob.mutable_data(), shape);
}

class NetReader {
 public:
  explicit NetReader(absl::string_view bytes)
      : max_blobs_(std::min(kMaxBlobsOfNet, kFreeBlobs + bytes.size() / kBytesPerBlob)),
        max_name_bytes_(kFreeNameBytes + kNameBytesPerByte * bytes.size()),
        input_(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size())) {}

  absl::StatusOr<StateDict> Read() {
    int layers = 0;
    while (const uint32_t tag = input_.ReadTag()) {
      if (tag == LengthDelimited(caffe::NetParameter::kLayersFieldNumber)) {
        RCNN_RETURN_IF_ERROR(ReadLayer(kV1, ++layers), absl::StrCat("layer number ", layers));
      } else if (tag == LengthDelimited(caffe::NetParameter::kLayerFieldNumber)) {
        RCNN_RETURN_IF_ERROR(ReadLayer(kV2, ++layers), absl::StrCat("layer number ", layers));
      } else if (!WireFormatLite::SkipField(&input_, tag)) {
        return Broken();
      }
    }
    if (!input_.ConsumedEntireMessage()) return Broken();
    if (state_.empty()) return absl::InvalidArgumentError("has no layer with weights");
    return std::move(state_);
  }

 private:
  absl::Status Broken() const {
    return absl::DataLossError(
        absl::StrCat("malformed or truncated message at byte ", input_.CurrentPosition()));
  }

  // The length of a nested message; false when the enclosing one is shorter.
  bool ReadLength(uint32_t* length) {
    return input_.ReadVarint32(length) &&
           static_cast<int64_t>(*length) <= static_cast<int64_t>(input_.BytesUntilLimit());
  }

  absl::Status ReadLayer(const LayerFields& fields, int number) {
    uint32_t length = 0;
    if (number > kMaxLayers) return absl::ResourceExhaustedError("more layers than any network");
    if (!ReadLength(&length)) return Broken();
    const auto limit = input_.PushLimit(static_cast<int>(length));
    Layer layer;
    while (const uint32_t tag = input_.ReadTag()) {
      RCNN_RETURN_IF_ERROR(ReadLayerField(fields, tag, layer),
                           absl::StrCat("'", absl::CHexEscape(layer.name), "'"));
    }
    if (!input_.ConsumedEntireMessage()) return Broken();
    input_.PopLimit(limit);
    return AddBlobs(layer);
  }

  absl::Status ReadLayerField(const LayerFields& fields, uint32_t tag, Layer& layer) {
    if (tag == kV0Layer && &fields == &kV1) {
      return absl::UnimplementedError(
          "uses Caffe's first schema (V0); upgrade it with Caffe's upgrade_net_proto_binary");
    }
    if (tag == fields.name) return ReadText(&layer.name);
    if (tag == fields.type) return ReadType(fields, layer);
    if (tag == fields.blobs) return ReadBlob(layer);
    return WireFormatLite::SkipField(&input_, tag) ? absl::OkStatus() : Broken();
  }

  absl::Status ReadText(std::string* text) {
    uint32_t length = 0;
    if (!ReadLength(&length)) return Broken();
    if (length > kMaxTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat("a name of ", length, " bytes"));
    }
    return input_.ReadString(text, static_cast<int>(length)) ? absl::OkStatus() : Broken();
  }

  absl::Status ReadType(const LayerFields& fields, Layer& layer) {
    if (&fields == &kV2) {
      std::string type;
      RCNN_RETURN_IF_ERROR(ReadText(&type));
      layer.is_inner_product = type == "InnerProduct";
      return absl::OkStatus();
    }
    uint64_t type = 0;
    if (!input_.ReadVarint64(&type)) return Broken();
    layer.is_inner_product = type == kV1InnerProduct;
    return absl::OkStatus();
  }

  absl::Status ReadBlob(Layer& layer) {
    uint32_t length = 0;
    if (layer.blobs.size() == kMaxBlobs) {
      return absl::ResourceExhaustedError("more blobs than any layer has");
    }
    if (state_.size() + layer.blobs.size() == max_blobs_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("more blobs than any network of its size has (", max_blobs_, ")"));
    }
    if (!ReadLength(&length)) return Broken();
    const auto limit = input_.PushLimit(static_cast<int>(length));
    layer.blobs.emplace_back();
    if (!layer.blobs.back().MergeFromCodedStream(&input_) || !input_.ConsumedEntireMessage()) {
      return Annotate(Broken(), absl::StrCat("blob ", layer.blobs.size() - 1));
    }
    input_.PopLimit(limit);
    return absl::OkStatus();
  }

  absl::Status AddBlobs(Layer& layer) {
    name_bytes_ += layer.name.size() * layer.blobs.size();
    if (name_bytes_ > max_name_bytes_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the names of the blobs have more than ", max_name_bytes_,
                       " bytes, the limit for a file of this size"));
    }
    for (size_t i = 0; i < layer.blobs.size(); ++i) {
      caffe::BlobProto& blob = layer.blobs[i];
      const std::string where = absl::StrCat("'", absl::CHexEscape(layer.name), "', blob ", i);
      RCNN_ASSIGN_OR_RETURN(at::Tensor tensor,
                            BlobTensor(blob, MeantShape(blob, layer.is_inner_product, i)), where);
      if (!state_.Add(BlobName(layer, i), std::move(tensor))) {
        return absl::InvalidArgumentError(absl::StrCat(where, ": duplicate layer name"));
      }
    }
    return absl::OkStatus();
  }

  const size_t max_blobs_;
  const size_t max_name_bytes_;
  size_t name_bytes_ = 0;
  google::protobuf::io::CodedInputStream input_;
  StateDict state_;
};

}  // namespace

absl::StatusOr<StateDict> ReadCaffeModel(absl::string_view bytes) {
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return absl::UnimplementedError("protobuf files of 2 GiB or more are not supported");
  }
  return NetReader(bytes).Read();
}

bool MayBeCaffeModel(absl::string_view bytes) {
  const absl::string_view head = bytes.substr(0, 16);
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(head.data()),
                                               static_cast<int>(head.size()));
  const uint32_t tag = input.ReadTag();
  const int field = WireFormatLite::GetTagFieldNumber(tag);
  const bool is_text =
      WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
  return is_text && ((field >= 1 && field <= 3) || field == caffe::NetParameter::kLayerFieldNumber);
}

}  // namespace rcnn::detection::weights
