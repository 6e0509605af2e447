#include "rcnn/detection/weights/torch_pickle.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/pickle_memory.h"
#include "rcnn/detection/weights/pickle_node.h"

namespace rcnn::detection::weights {
namespace {

constexpr char kMetadataAttribute[] = "rcnn_metadata";
constexpr std::array kCheckpointKeys = {"state_dict", "model_state_dict", "model", "net"};
constexpr size_t kMaxDimensions = 16;
constexpr size_t kMaxKeyBytes = 256;
constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxMetadataBytes = size_t{16} << 20;
constexpr int kMaxDepth = 4;  // of a state dict in a checkpoint
constexpr size_t kMaxCandidates = 1000;
// A tensor with its description and its entry in a state dict, apart from its name.
constexpr size_t kTensorBytes = 1024;

// Modules whose functions start programs, run code, or open files and connections.
constexpr absl::string_view kRefusedModules[] = {
    "os",       "posix",     "nt",      "subprocess",      "sys",
    "pty",      "shutil",    "socket",  "runpy",           "code",
    "ctypes",   "importlib", "pdb",     "webbrowser",      "timeit",
    "commands", "pickle",    "_pickle", "multiprocessing", "asyncio",
    "threading"};
constexpr absl::string_view kHarmlessBuiltins[] = {"set",   "frozenset", "slice", "complex",
                                                   "range", "bytearray", "list",  "dict",
                                                   "tuple", "int",       "float", "object"};

struct StorageType {
  absl::string_view name;
  at::ScalarType type;
};

// An untyped storage counts bytes.
constexpr StorageType kStorageTypes[] = {
    {"torch.FloatStorage", at::kFloat},  {"torch.DoubleStorage", at::kDouble},
    {"torch.HalfStorage", at::kHalf},    {"torch.BFloat16Storage", at::kBFloat16},
    {"torch.LongStorage", at::kLong},    {"torch.IntStorage", at::kInt},
    {"torch.ShortStorage", at::kShort},  {"torch.CharStorage", at::kChar},
    {"torch.ByteStorage", at::kByte},    {"torch.BoolStorage", at::kBool},
    {"torch.UntypedStorage", at::kByte}, {"torch.storage.UntypedStorage", at::kByte},
};

constexpr absl::string_view kRebuildTensor[] = {"torch._utils._rebuild_tensor_v2",
                                                "torch._utils._rebuild_tensor"};
constexpr absl::string_view kRebuildParameter = "torch._utils._rebuild_parameter";

std::optional<at::ScalarType> FindStorageType(const PickleNode& node) {
  if (node.kind != PickleKind::kGlobal) return std::nullopt;
  for (const StorageType& storage : kStorageTypes) {
    if (storage.name == node.text) return storage.type;
  }
  return std::nullopt;
}

bool IsCallTo(const PickleNode& node, absl::string_view name) {
  return node.kind == PickleKind::kCall && node.callee->text == name;
}

// An unsupported kind of tensor: sparse, quantised, on another device.
bool IsTensorType(absl::string_view name) { return absl::StartsWith(name, "torch._"); }

bool IsTensor(const PickleNode& node) {
  return IsCallTo(node, kRebuildTensor[0]) || IsCallTo(node, kRebuildTensor[1]) ||
         IsCallTo(node, kRebuildParameter);
}

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed: ", what));
}

// Arguments, by position; absent ones are None.
const PickleNode& Item(const PickleNode& node, size_t index) {
  static const auto* const none = new PickleNode();
  return index < node.items.size() ? *node.items[index] : *none;
}

absl::StatusOr<int64_t> NonNegative(const PickleNode& node, absl::string_view what) {
  if (node.kind != PickleKind::kInteger || node.integer < 0) {
    return Malformed(absl::StrCat(
        what, " is ", PickleKindName(node.kind),
        node.kind == PickleKind::kInteger ? absl::StrCat(" below zero, ", node.integer) : ""));
  }
  return node.integer;
}

absl::StatusOr<std::vector<int64_t>> NonNegatives(const PickleNode& node, absl::string_view what) {
  if (node.kind != PickleKind::kTuple || node.items.size() > kMaxDimensions) {
    return Malformed(absl::StrCat(what, " are ", PickleKindName(node.kind), " of ",
                                  node.items.size(), " items"));
  }
  std::vector<int64_t> values;
  for (const PickleNode* const item : node.items) {
    RCNN_ASSIGN_OR_RETURN(const int64_t value, NonNegative(*item, what));
    values.push_back(value);
  }
  return values;
}

// One string may be the name of many values, each of which gets a copy.
absl::Status CheckLength(const PickleNode& text, size_t most_bytes, absl::string_view what) {
  if (text.text.size() <= most_bytes) return absl::OkStatus();
  return Malformed(absl::StrCat(what, " of ", text.text.size(), " bytes"));
}

// ('storage', type, key, location, elements), and in the legacy format a view of
// it, None or (key, offset, elements). Returns the key.
absl::StatusOr<std::string> ReadStorage(const PickleNode& node, PickledStorage& storage) {
  if (node.kind != PickleKind::kPersistentId) return Malformed("a tensor without a storage");
  const PickleNode& id = Item(node, 0);
  if (id.kind != PickleKind::kTuple || Item(id, 0).text != "storage") {
    return Malformed("a persistent id that is not a storage");
  }
  const std::optional<at::ScalarType> type = FindStorageType(Item(id, 1));
  const PickleNode& key = Item(id, 2);
  if (!type.has_value()) {
    return Malformed(absl::StrCat("a storage of the type '", Item(id, 1).text, "'"));
  }
  if (key.kind != PickleKind::kString) return Malformed("a storage key that is not a string");
  RCNN_RETURN_IF_ERROR(CheckLength(key, kMaxKeyBytes, "a storage key"));
  storage.type = *type;
  RCNN_ASSIGN_OR_RETURN(storage.elements, NonNegative(Item(id, 4), "the storage's size"));
  if (Item(id, 5).kind != PickleKind::kNone) {
    return absl::UnimplementedError("a view of a storage, which PyTorch before 0.4 wrote");
  }
  return key.text;
}

// The product of all sizes that are not 0 has to fit into an int64 too: strides
// are computed from it.
absl::StatusOr<int64_t> CountElements(const PickledTensor& tensor) {
  int64_t elements = 1;
  bool is_empty = false;
  for (const int64_t size : tensor.sizes) {
    is_empty |= size == 0;
    if (__builtin_mul_overflow(elements, std::max<int64_t>(size, 1), &elements)) {
      return Malformed("sizes too large");
    }
  }
  return is_empty ? 0 : elements;
}

// The one element farthest from the storage's beginning must be in it.
absl::Status CheckInside(PickledTensor& tensor) {
  RCNN_ASSIGN_OR_RETURN(const int64_t elements, CountElements(tensor));
  if (elements == 0) {
    tensor.offset = 0;
    return absl::OkStatus();
  }
  int64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.sizes[i] - 1, tensor.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return Malformed("strides too large");
    }
  }
  if (last < tensor.storage.elements && elements <= tensor.storage.elements) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("sizes [", absl::StrJoin(tensor.sizes, ", "), "], strides [",
                   absl::StrJoin(tensor.strides, ", "), "], offset ", tensor.offset,
                   " do not lie in a storage of ", Counted(tensor.storage.elements, "element"),
                   ", each used once"));
}

// _rebuild_tensor_v2(storage, offset, sizes, strides, …);
// _rebuild_parameter(tensor, …).
absl::StatusOr<PickledTensor> ReadTensor(const PickleNode& node) {
  const PickleNode& call = IsCallTo(node, kRebuildParameter) ? Item(*node.arguments, 0) : node;
  if (!IsTensor(call) || IsCallTo(call, kRebuildParameter)) {
    return Malformed("a parameter that is not a tensor");
  }
  const PickleNode& arguments = *call.arguments;
  PickledTensor tensor;
  RCNN_ASSIGN_OR_RETURN(tensor.storage_key, ReadStorage(Item(arguments, 0), tensor.storage));
  RCNN_ASSIGN_OR_RETURN(tensor.offset, NonNegative(Item(arguments, 1), "the offset"));
  RCNN_ASSIGN_OR_RETURN(tensor.sizes, NonNegatives(Item(arguments, 2), "sizes"));
  RCNN_ASSIGN_OR_RETURN(tensor.strides, NonNegatives(Item(arguments, 3), "strides"));
  if (tensor.sizes.size() != tensor.strides.size()) {
    return Malformed("not as many strides as sizes");
  }
  RCNN_RETURN_IF_ERROR(CheckInside(tensor));
  return tensor;
}

bool IsSkipped(const PickleNode& node) {
  return node.kind == PickleKind::kNone || node.kind == PickleKind::kBool ||
         node.kind == PickleKind::kInteger || node.kind == PickleKind::kFloat ||
         node.kind == PickleKind::kString;
}

// Values that may occur beside tensors, if they contain none.
bool IsPlainContainer(const PickleNode& node) {
  return node.kind == PickleKind::kList || node.kind == PickleKind::kTuple ||
         node.kind == PickleKind::kBytes || node.kind == PickleKind::kOther;
}

bool HasTensor(const PickleNode& dict) {
  for (size_t i = 1; i < dict.items.size(); i += 2) {
    if (IsTensor(*dict.items[i])) return true;
  }
  return false;
}

size_t CountTensors(const PickleNode& dict) {
  size_t count = 0;
  for (size_t i = 1; i < dict.items.size(); i += 2) count += IsTensor(*dict.items[i]) ? 1 : 0;
  return count;
}

std::string Keys(const PickleNode& dict) {
  std::vector<std::string> keys;
  for (size_t i = 0; i + 1 < dict.items.size() && keys.size() < 8; i += 2) {
    keys.push_back(absl::StrCat("'", dict.items[i]->text.substr(0, kMaxKeyBytes), "'"));
  }
  return absl::StrJoin(keys, ", ");
}

// A dict of tensors inside a checkpoint.
struct Candidate {
  std::string path;  // "model", "ema.state_dict"
  absl::string_view key;
  const PickleNode* dict = nullptr;
};

// Searches a checkpoint. One dict may be the value of many keys, so each dict is visited once
// per depth: otherwise four nested dicts of 1000 references would take 10^12 steps.
class CandidateSearch {
 public:
  // Keys that are numbers lead into an optimiser's state.
  absl::Status Search(const PickleNode& dict, const std::string& path = "", int depth = 1) {
    if (!searched_.insert({&dict, depth}).second) return absl::OkStatus();
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleNode &key = *dict.items[i], &value = *dict.items[i + 1];
      if (key.kind != PickleKind::kString || value.kind != PickleKind::kDict) continue;
      RCNN_RETURN_IF_ERROR(Visit(key, value, path, depth));
    }
    return absl::OkStatus();
  }

  const std::vector<Candidate>& found() const { return found_; }

 private:
  absl::Status Visit(const PickleNode& key, const PickleNode& value, const std::string& path,
                     int depth) {
    const std::string inner =
        absl::StrCat(path, path.empty() ? "" : ".", key.text.substr(0, kMaxKeyBytes));
    if (!HasTensorCached(value)) {
      return depth < kMaxDepth ? Search(value, inner, depth + 1) : absl::OkStatus();
    }
    found_.push_back({inner, key.text, &value});
    if (found_.size() <= kMaxCandidates) return absl::OkStatus();
    return Malformed(absl::StrCat("more than ", kMaxCandidates, " dictionaries of tensors"));
  }

  bool HasTensorCached(const PickleNode& dict) {
    const auto [entry, is_new] = has_tensor_.try_emplace(&dict, false);
    if (is_new) entry->second = HasTensor(dict);
    return entry->second;
  }

  absl::flat_hash_set<std::pair<const PickleNode*, int>> searched_;
  absl::flat_hash_map<const PickleNode*, bool> has_tensor_;
  std::vector<Candidate> found_;
};

absl::StatusOr<const PickleNode*> ChooseCandidate(const std::vector<Candidate>& found) {
  if (found.size() == 1) return found.front().dict;
  for (const char* const key : kCheckpointKeys) {
    for (const Candidate& candidate : found) {
      if (candidate.path == key) return candidate.dict;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "has several dictionaries of tensors: ",
      absl::StrJoin(found.begin(), found.begin() + std::min<ptrdiff_t>(8, found.size()), ", ",
                    [](std::string* out, const Candidate& candidate) {
                      absl::StrAppend(out, "'", candidate.path, "'");
                    }),
      "; save one of them, torch.save(checkpoint[\"KEY\"], FILE)"));
}

absl::Status AsksFor(absl::string_view name) {
  return absl::InvalidArgumentError(
      absl::StrCat("asks for '", absl::CHexEscape(name),
                   "', which is not part of a state dict; nothing was run; save the model's "
                   "state_dict() instead"));
}

absl::StatusOr<const PickleNode*> FindStateDict(const PickleNode& root) {
  if (root.kind == PickleKind::kOther) return AsksFor(root.text);
  if (root.kind != PickleKind::kDict) {
    return absl::InvalidArgumentError(
        absl::StrCat("is ", PickleKindName(root.kind), ", not a state dict"));
  }
  if (root.items.empty()) return &root;
  CandidateSearch search;
  RCNN_RETURN_IF_ERROR(search.Search(root));
  const std::vector<Candidate>& found = search.found();
  if (found.empty() && HasTensor(root)) return &root;
  if (found.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has no tensors at its top level or in a dictionary below; its keys are ", Keys(root)));
  }
  RCNN_ASSIGN_OR_RETURN(const PickleNode* const inner, ChooseCandidate(found));
  // One or two tensors beside a state dict are facts about it, such as a best accuracy.
  return CountTensors(root) > CountTensors(*inner) ? &root : inner;
}

absl::Status ReadTensors(const PickleNode& dict, size_t file_bytes,
                         std::vector<PickledTensor>& tensors) {
  absl::flat_hash_set<absl::string_view> names;
  size_t needed = 0;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleNode& key = *dict.items[i];
    const PickleNode& value = *dict.items[i + 1];
    if (IsSkipped(value)) continue;
    if (key.kind != PickleKind::kString) {
      return Malformed(absl::StrCat("a key that is ", PickleKindName(key.kind)));
    }
    RCNN_RETURN_IF_ERROR(CheckLength(key, kMaxNameBytes, "a name"));
    if (!names.insert(key.text).second) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", key.text, "' is a duplicate"));
    }
    if (value.kind == PickleKind::kOther && IsTensorType(value.text)) return AsksFor(value.text);
    if (IsPlainContainer(value) || value.kind == PickleKind::kDict) continue;
    if (!IsTensor(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", key.text, "' is ", PickleKindName(value.kind), ", not a tensor"));
    }
    needed += kTensorBytes + 2 * key.text.size();
    RCNN_RETURN_IF_ERROR(CheckPickleMemory(needed, file_bytes));
    RCNN_ASSIGN_OR_RETURN(PickledTensor tensor, ReadTensor(value),
                          absl::StrCat("tensor '", key.text, "'"));
    tensor.name = key.text;
    tensors.push_back(std::move(tensor));
  }
  return absl::OkStatus();
}

absl::Status ReadStorages(const Pickle& pickle, std::map<std::string, PickledStorage>& storages) {
  for (const PickleNode& node : pickle.nodes()) {
    if (node.kind != PickleKind::kPersistentId) continue;
    if (Item(Item(node, 0), 1).kind == PickleKind::kOther) continue;  // beside the state dict
    PickledStorage storage;
    RCNN_ASSIGN_OR_RETURN(const std::string key, ReadStorage(node, storage));
    const PickledStorage& known = storages.try_emplace(key, storage).first->second;
    if (known.type != storage.type || known.elements != storage.elements) {
      return Malformed(absl::StrCat("storage '", key, "' has two types or sizes"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadMetadata(const PickleNode& dict, size_t pickle_bytes,
                          std::map<std::string, std::string>& metadata) {
  if (dict.attributes == nullptr) return absl::OkStatus();
  const PickleNode* const facts = FindInDict(*dict.attributes, kMetadataAttribute);
  if (facts == nullptr || facts->kind != PickleKind::kDict) return absl::OkStatus();
  size_t bytes = 0;
  for (size_t i = 0; i + 1 < facts->items.size(); i += 2) {
    const PickleNode &key = *facts->items[i], &value = *facts->items[i + 1];
    if (key.kind != PickleKind::kString || value.kind != PickleKind::kString) continue;
    bytes += key.text.size() + value.text.size();
    if (bytes > kMaxMetadataBytes) return Malformed("metadata of more than 16 MiB");
    if (bytes > kMaxKeyBytes + 2 * pickle_bytes) {
      return Malformed("metadata larger than the file, of one text used many times");
    }
    metadata[key.text] = value.text;
  }
  return absl::OkStatus();
}

}  // namespace

bool IsStateDictGlobal(absl::string_view name) {
  return name == kRebuildParameter ||
         std::find(std::begin(kRebuildTensor), std::end(kRebuildTensor), name) !=
             std::end(kRebuildTensor) ||
         std::any_of(std::begin(kStorageTypes), std::end(kStorageTypes),
                     [&](const StorageType& storage) { return storage.name == name; });
}

bool IsHarmlessGlobal(absl::string_view name) {
  const absl::string_view module = name.substr(0, name.find('.'));
  if (module == "builtins" || module == "__builtin__") {
    return absl::c_linear_search(kHarmlessBuiltins,
                                 name.substr(std::min(name.size(), module.size() + 1)));
  }
  return !absl::c_linear_search(kRefusedModules, module);
}

absl::StatusOr<PickledStateDict> ParseStateDictPickle(absl::string_view bytes, size_t file_bytes) {
  PickleOptions options;
  options.file_bytes = std::max(file_bytes, bytes.size());
  options.allows_global = IsStateDictGlobal;
  options.skips_global = IsHarmlessGlobal;
  RCNN_ASSIGN_OR_RETURN(const Pickle pickle, Pickle::Parse(bytes, options));
  RCNN_ASSIGN_OR_RETURN(const PickleNode* const dict, FindStateDict(pickle.root()));
  PickledStateDict state;
  state.size_bytes = pickle.size_bytes();
  RCNN_RETURN_IF_ERROR(ReadTensors(*dict, options.file_bytes, state.tensors));
  RCNN_RETURN_IF_ERROR(ReadStorages(pickle, state.storages));
  RCNN_RETURN_IF_ERROR(ReadMetadata(*dict, state.size_bytes, state.metadata));
  return state;
}

}  // namespace rcnn::detection::weights
